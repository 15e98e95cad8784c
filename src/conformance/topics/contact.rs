//! Contacts, which version 1 only adds.

use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, EVERY, Met};
use crate::conformance::refusals::{OWN_CONTACT, UNKNOWN_USER};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "a contact may be added again, by its name in any case",
        wires: EVERY,
        section: "add_contact",
        says: "Success: done, also when the contact was added before.",
        check: Run(|scene| Box::pin(added_again(scene))),
    },
    Behaviour {
        name: "nobody and oneself are refused as contacts",
        wires: EVERY,
        section: "add_contact",
        says: "| `there is no such user` | nobody has the contact's name | | `you cannot be your own contact` | |",
        check: Run(|scene| Box::pin(nobody_and_oneself(scene))),
    },
];

async fn added_again(scene: &mut Scene) -> Met {
    let bob = scene.user(Person::Bob).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    for name in [bob.name.clone(), bob.name.clone(), bob.name.to_uppercase()] {
        ada.done(&ada.add_contact(&name)).await?;
    }
    Ok(())
}

async fn nobody_and_oneself(scene: &mut Scene) -> Met {
    let nobody = scene.unused("nobody");
    let mut ada = scene.log_in(Person::Ada).await?;
    for name in [&*nobody, "", "two words"] {
        ada.refused(&ada.add_contact(name), &UNKNOWN_USER).await?;
    }
    ada.refused(&ada.add_contact(&ada.username), &OWN_CONTACT).await?;
    ada.refused(&ada.add_contact(&ada.username.to_lowercase()), &OWN_CONTACT).await
}
