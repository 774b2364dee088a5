//! The member names of one object, to find duplicates.

use std::borrow::Cow;
use std::collections::HashSet;

/// The names of one object. The first ones are compared one by one and the others
/// are hashed, so that an object with a hundred thousand members stays cheap.
#[derive(Default)]
pub(super) struct MemberNames<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> MemberNames<'a> {
    const FEW: usize = 16;

    /// Adds `name`; `false` if it was there already.
    pub(super) fn insert(&mut self, name: Cow<'a, str>) -> bool {
        if self.few.contains(&name) {
            return false;
        }
        if self.few.len() < Self::FEW {
            self.few.push(name);
            return true;
        }
        self.many.insert(name)
    }
}
