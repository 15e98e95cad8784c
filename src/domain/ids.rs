//! Ids as the database gives them out. Those of users, groups and messages are never given out twice.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl $name {
            /// The id that follows this one.
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }
    };
}

id! {
    /// A person with a name and a password.
    UserId
}
id! {
    /// A group.
    GroupId
}
id! {
    /// A login; its token is what the client holds.
    SessionId
}
id! {
    /// A place in the log. Dense, and in the order in which messages were committed; 0 stands before the first.
    MessageId
}
