//! What a disk may hold after the power was cut: all that was synced, and any part of what was not.

use std::collections::BTreeMap;

use crate::chance::Chance;
use crate::trace::Event;

/// What a disk writes as a whole. Units: bytes.
const SECTOR: usize = 512;

/// What becomes of changes that were not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    /// All are gone.
    Everything,
    /// Of each sector of each write chance decides whether it is there: disks write in any order.
    Sectors,
    /// They are there up to some point, at which a write is torn.
    Tail,
}

/// The files of one directory, those that have been removed included, for a removal can be lost as well.
#[derive(Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// Which file a name means to a running program.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Names given and taken since the directory was synced.
    renamed: Vec<(String, Option<usize>)>,
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    changes: Vec<Change>,
}

enum Change {
    Write { offset: usize, data: Vec<u8> },
    Truncate { length: usize },
}

impl Disk {
    pub(crate) fn apply(&mut self, event: Event) {
        match event {
            Event::Create { name } if !self.names.contains_key(&name) => {
                self.names.insert(name.clone(), self.files.len());
                self.renamed.push((name, Some(self.files.len())));
                self.files.push(File::default());
            }
            Event::Remove { name } => {
                self.names.remove(&name);
                self.renamed.push((name, None));
            }
            Event::Write { name, offset, data } => self.file(&name).changes.push(Change::Write { offset, data }),
            Event::Truncate { name, length } => self.file(&name).changes.push(Change::Truncate { length }),
            Event::Sync { name } => self.file(&name).sync(),
            Event::SyncDirectory => {
                self.durable_names = self.names.clone();
                self.renamed.clear();
            }
            Event::Create { .. } | Event::Say { .. } => {}
        }
    }

    fn file(&mut self, name: &str) -> &mut File {
        let file = *self.names.get(name).unwrap_or_else(|| panic!("{name} is used before it is created"));
        &mut self.files[file]
    }

    /// The files that are there after a power cut now.
    pub(crate) fn after_cut(&self, loss: Loss, chance: &mut Chance) -> Vec<(String, Vec<u8>)> {
        let mut names = self.durable_names.clone();
        let kept = match loss {
            Loss::Everything => 0,
            Loss::Sectors | Loss::Tail => chance.below(self.renamed.len() + 1),
        };
        for (name, file) in &self.renamed[..kept] {
            match file {
                Some(file) => names.insert(name.clone(), *file),
                None => names.remove(name),
            };
        }
        names.into_iter().map(|(name, file)| (name, self.files[file].after_cut(loss, chance))).collect()
    }
}

impl File {
    fn sync(&mut self) {
        for change in self.changes.drain(..) {
            change.apply(&mut self.durable, |_| true);
        }
    }

    fn after_cut(&self, loss: Loss, chance: &mut Chance) -> Vec<u8> {
        let mut content = self.durable.clone();
        match loss {
            Loss::Everything => {}
            Loss::Sectors => {
                for change in &self.changes {
                    change.apply(&mut content, |_| chance.coin());
                }
            }
            Loss::Tail => {
                let whole = chance.below(self.changes.len() + 1);
                self.changes[..whole].iter().for_each(|change| change.apply(&mut content, |_| true));
                if let Some(torn) = self.changes.get(whole) {
                    let sectors = chance.below(8);
                    torn.apply(&mut content, |sector| sector < sectors);
                }
            }
        }
        content
    }
}

impl Change {
    /// Makes those parts of the change that `keeps` wants, asked by the number of the sector within the change.
    fn apply(&self, content: &mut Vec<u8>, mut keeps: impl FnMut(usize) -> bool) {
        match self {
            Self::Truncate { length } if keeps(0) => content.resize(*length, 0),
            Self::Truncate { .. } => {}
            Self::Write { offset, data } => {
                let mut from = 0;
                for sector in 0.. {
                    // Sectors lie at multiples of their size in the file, whatever the write's offset.
                    let upto = data.len().min((offset + from) / SECTOR * SECTOR + SECTOR - offset);
                    if keeps(sector) {
                        put(content, offset + from, &data[from..upto]);
                    }
                    from = upto;
                    if from == data.len() {
                        return;
                    }
                }
            }
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if content.len() < offset + data.len() {
        content.resize(offset + data.len(), 0);
    }
    content[offset..offset + data.len()].copy_from_slice(data);
}
