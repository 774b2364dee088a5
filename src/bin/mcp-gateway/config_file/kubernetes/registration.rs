//! The objects that register servers at older gateways, in all their versions.

use super::objects::{group, kind, name, namespace};
use crate::syntax::tree::{Node, NodeKind};

/// The first API group of the older gateway. `MCPServer` and `MCPGateway` of other groups belong to
/// other products.
const FIRST_GROUP: &str = "mcp.kagenti.com";
const GROUPS: [&str; 2] = [FIRST_GROUP, "mcp.kuadrant.io"];

/// A server that an object of an older gateway registers. In the first versions, one object
/// registers several servers.
#[derive(Clone, Copy)]
pub(crate) struct ServerRegistration<'a> {
    pub(crate) document: &'a Node,
    /// The reference to the `HTTPRoute` of the server.
    pub(crate) target: Option<&'a Node>,
    /// The index of `target` in `spec.targetRefs`.
    place: Option<usize>,
}

impl<'a> ServerRegistration<'a> {
    /// The fields of `spec` that this program reads.
    pub(crate) const FIELDS: [&'static str; 6] = [
        "targetRef",
        "targetRefs",
        "toolPrefix",
        "prefix",
        "path",
        "state",
    ];

    /// The servers that `document` registers; none if it is of another kind.
    pub(crate) fn all(document: &'a Node) -> Vec<Self> {
        let targets = document.at(&["spec", "targetRefs"]);
        let is_registration = match kind(document) {
            "MCPServerRegistration" => GROUPS.contains(&group(document)),
            "MCPServer" => group(document) == FIRST_GROUP,
            "MCPGateway" => group(document) == FIRST_GROUP && targets.is_some(),
            _ => false,
        };
        let of_target = |target, place| Self {
            document,
            target,
            place,
        };
        match targets {
            _ if !is_registration => Vec::new(),
            Some(targets) => {
                let targets = targets.items().iter().enumerate();
                targets
                    .map(|(place, target)| of_target(Some(target), Some(place)))
                    .collect()
            }
            None => vec![of_target(document.at(&["spec", "targetRef"]), None)],
        }
    }

    /// Whether it is the first server of its object.
    pub(crate) fn is_first(&self) -> bool {
        self.place.is_none_or(|place| place == 0)
    }

    /// Whether the object registers it in a list.
    pub(crate) fn is_listed(&self) -> bool {
        self.place.is_some()
    }

    /// The name of the server. If an object registers several servers, each has the name of its
    /// route.
    pub(crate) fn name(&self) -> &'a str {
        match (self.place, self.target) {
            (Some(_), Some(target)) => target.text(&["name"]).unwrap_or_default(),
            _ => name(self.document),
        }
    }

    /// The namespace of `name`.
    pub(crate) fn namespace(&self) -> &'a str {
        if self.is_listed() {
            self.target_namespace()
        } else {
            namespace(self.document)
        }
    }

    /// The kind and the name of the object.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", kind(self.document), name(self.document))
    }

    pub(crate) fn spec(&self) -> &'a Node {
        self.document.get("spec").unwrap_or(self.document)
    }

    /// The path of `target` in the object.
    pub(crate) fn target_path(&self) -> String {
        match self.place {
            Some(place) => format!("spec.targetRefs[{place}]"),
            None => "spec.targetRef".to_owned(),
        }
    }

    /// The namespace of the route.
    pub(crate) fn target_namespace(&self) -> &'a str {
        let named = self.target.and_then(|it| it.text(&["namespace"]));
        named.unwrap_or(namespace(self.document))
    }

    /// The prefix of the tools, with its path in the object; `None` if there is none.
    pub(crate) fn prefix(&self) -> Option<(String, &'a Node)> {
        let of_target = self.place.and(self.target);
        if let Some(prefix) = of_target.and_then(|target| target.get("toolPrefix")) {
            return Some((format!("{}.toolPrefix", self.target_path()), prefix));
        }
        ["prefix", "toolPrefix"].into_iter().find_map(|field| {
            let prefix = self.spec().get(field)?;
            Some((format!("spec.{field}"), prefix))
        })
    }

    /// The fields of `spec`, in the order of the file.
    pub(crate) fn fields(&self) -> &'a [(String, Node)] {
        match &self.spec().kind {
            NodeKind::Object(fields) => fields,
            _ => &[],
        }
    }
}
