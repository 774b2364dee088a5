//! The controller's knowledge of the cluster at one moment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::name::ObjectName;

/// The known state. It is cheap to clone.
#[derive(Clone, Default)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Snapshot {
    /// The objects of each kind that is watched, by the kind's name.
    objects: BTreeMap<&'static str, BTreeMap<ObjectName, Arc<Value>>>,
    /// The objects that were read because another object refers to them.
    read: BTreeMap<Readable, ReadObject>,
    /// The last answer of each server, by its MCPServer.
    pub(crate) answers: BTreeMap<ObjectName, ServerAnswer>,
    /// The reasons why objects could not be written, by their kinds and names.
    pub(crate) refused: BTreeMap<(String, ObjectName), String>,
}

/// An object that is read by name and not watched, so the controller needs no right to list it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Readable {
    Secret(ObjectName),
    ConfigMap(ObjectName),
}

/// An object that was read.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum ReadObject {
    Missing,
    /// The API server refuses to give it to the controller, for this reason.
    Refused(String),
    Present {
        resource_version: String,
        /// Whether this program has written it.
        is_written: bool,
        /// The data, decoded.
        data: BTreeMap<String, Vec<u8>>,
    },
}

/// It contains Secrets.
impl fmt::Debug for ReadObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Refused(_) => "Refused",
            Self::Present { .. } => "Present",
        })
    }
}

/// The answer of a server to the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerAnswer {
    Up {
        /// The version of MCP that it speaks.
        version: String,
        /// How many tools clients see.
        tools: u32,
    },
    /// The reason why it cannot be used.
    Down(String),
}

impl Snapshot {
    /// The objects of `kind`, in the order of their names.
    pub(crate) fn all(&self, kind: &str) -> impl Iterator<Item = (&ObjectName, &Value)> {
        let objects = self.objects.get(kind).into_iter().flatten();
        objects.map(|(name, object)| (name, &**object))
    }

    pub(crate) fn get(&self, kind: &str, name: &ObjectName) -> Option<&Value> {
        self.objects.get(kind)?.get(name).map(|object| &**object)
    }

    /// Replaces all objects of `kind` with `objects`.
    pub(crate) fn replace(
        &mut self,
        kind: &'static str,
        objects: BTreeMap<ObjectName, Arc<Value>>,
    ) {
        self.objects.insert(kind, objects);
    }

    pub(crate) fn insert(&mut self, kind: &'static str, object: Value) {
        let name = ObjectName::of(&object);
        let objects = self.objects.entry(kind).or_default();
        objects.insert(name, Arc::new(object));
    }

    pub(crate) fn remove(&mut self, kind: &str, name: &ObjectName) {
        if let Some(objects) = self.objects.get_mut(kind) {
            objects.remove(name);
        }
    }

    /// The object that was read; `None` if it has not been read yet.
    pub(crate) fn read(&self, what: &Readable) -> Option<&ReadObject> {
        self.read.get(what)
    }

    /// Replaces all read objects with `read`. Gives whether this changes anything.
    pub(crate) fn set_read(&mut self, read: BTreeMap<Readable, ReadObject>) -> bool {
        let is_changed = self.read != read;
        self.read = read;
        is_changed
    }
}
