//! The kinds of lists that servers have, and all that differs between them. Other modules match on
//! these properties and not on the kinds, so that few places must know a new kind.

use super::capabilities::ServerCapabilities;
use super::method::Subject;
use super::{method, resource_uri};

/// A kind of list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    Templates,
    /// `skills/list` (SEP-2640). A skill has the URI of a resource, its `SKILL.md`.
    Skills,
}

impl ListKind {
    /// All kinds.
    pub const ALL: &'static [Self] = &[
        Self::Tools,
        Self::Prompts,
        Self::Resources,
        Self::Templates,
        Self::Skills,
    ];

    /// The kind that `method` lists.
    pub fn of(method: &str) -> Option<Self> {
        Self::find(Self::method, method)
    }

    /// The kind of the entry that `method` gets (see [`getter`](Self::getter)). It is resources for
    /// a resource that a template stands for.
    pub fn got_by(method: &str) -> Option<Self> {
        Self::find(Self::getter, method)
    }

    /// The kind of the entry that a request of `method` names.
    pub fn named_by(method: &str) -> Option<Self> {
        match method {
            method::RESOURCES_SUBSCRIBE | method::RESOURCES_UNSUBSCRIBE => Some(Self::Resources),
            _ => Self::got_by(method),
        }
    }

    /// The first kind with this `value` of a property. It is not inlined, since the filter would be
    /// larger.
    #[inline(never)]
    fn find(property: fn(Self) -> &'static str, value: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|kind| property(*kind) == value)
    }

    /// The method that asks for the list.
    pub fn method(self) -> &'static str {
        match self {
            Self::Tools => method::TOOLS_LIST,
            Self::Prompts => method::PROMPTS_LIST,
            Self::Resources => method::RESOURCES_LIST,
            Self::Templates => method::TEMPLATES_LIST,
            Self::Skills => method::SKILLS_LIST,
        }
    }

    /// The member of the result that holds the list.
    pub fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Skills => "skills",
        }
    }

    /// The method that gets one entry: calls the tool, or reads the resource.
    pub fn getter(self) -> &'static str {
        match self {
            Self::Tools => method::TOOLS_CALL,
            Self::Prompts => method::PROMPTS_GET,
            Self::Resources | Self::Templates => method::RESOURCES_READ,
            Self::Skills => method::SKILLS_GET,
        }
    }

    /// The kind of thing that an entry is, for rules and filters.
    pub fn subject(self) -> Subject {
        match self {
            Self::Tools => Subject::Tool,
            Self::Prompts => Subject::Prompt,
            Self::Resources | Self::Templates | Self::Skills => Subject::Resource,
        }
    }

    /// What names an entry.
    pub fn naming(self) -> Naming {
        match self {
            Self::Tools | Self::Prompts => Naming::Prefixed,
            Self::Resources | Self::Skills => Naming::Uri,
            Self::Templates => Naming::UriTemplate,
        }
    }

    /// The capability that a server with such a list declares.
    pub fn capability(self) -> ServerCapabilities {
        match self {
            Self::Tools => ServerCapabilities::TOOLS,
            Self::Prompts => ServerCapabilities::PROMPTS,
            Self::Resources | Self::Templates => ServerCapabilities::RESOURCES,
            Self::Skills => ServerCapabilities::SKILLS,
        }
    }

    /// Whether an extension of MCP defines the list. If no server has the extension, the gateway
    /// does not have it either, and its methods are unknown.
    pub fn is_extension(self) -> bool {
        match self {
            Self::Tools | Self::Prompts | Self::Resources | Self::Templates => false,
            Self::Skills => true,
        }
    }

    /// The kinds of lists that may have a name that no list of this kind has, in the order in which
    /// the gateway reads them.
    pub fn otherwise(self) -> &'static [Self] {
        match self {
            // Clients use the same methods for resources and for what a template stands for.
            // Servers may list the files of a skill only in the skill itself.
            Self::Resources => &[Self::Templates, Self::Skills],
            Self::Templates => &[Self::Resources],
            Self::Tools | Self::Prompts | Self::Skills => &[],
        }
    }

    /// Whether an entry is a file that stands for all files in its directory.
    pub fn covers_directory(self) -> bool {
        match self {
            Self::Tools | Self::Prompts | Self::Resources | Self::Templates => false,
            Self::Skills => true,
        }
    }

    /// The noun for one entry, for error messages.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Tools => "tool",
            Self::Prompts => "prompt",
            Self::Resources => "resource",
            Self::Templates => "resource template",
            Self::Skills => "skill",
        }
    }

    /// The member of an entry with its name. If a client gets an entry, it names the entry with the
    /// parameter of this name.
    pub fn key(self) -> &'static str {
        match self.naming() {
            Naming::Prefixed => "name",
            Naming::Uri => "uri",
            Naming::UriTemplate => "uriTemplate",
        }
    }

    /// Whether patterns can be compared with `name`, the name of an entry. A URI or template of a
    /// resource must be in normal form.
    pub fn is_normal(self, name: &str) -> bool {
        match self.naming() {
            Naming::Prefixed => true,
            Naming::Uri => resource_uri::check_normal(name).is_ok(),
            Naming::UriTemplate => resource_uri::check_normal_template(name).is_ok(),
        }
    }
}

/// What names the entries of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// A name. Clients see it with the prefix of the server.
    Prefixed,
    /// The URI of a resource. Servers may have more than they list.
    Uri,
    /// A template of such URIs (RFC 6570). Clients get no template, but what it stands for.
    UriTemplate,
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_methods_of_each_kind_are_known() {
        for (at, kind) in ListKind::ALL.iter().enumerate() {
            assert_eq!(ListKind::of(kind.method()), Some(*kind));
            assert!(!ListKind::ALL[..at].contains(kind), "{kind:?} twice");
            let getter = kind.getter();
            let got = ListKind::got_by(getter).unwrap();
            assert_eq!(ListKind::named_by(getter), Some(got));
            assert_eq!(method::subject(getter), Some(kind.subject()));
            assert_eq!(got.subject(), kind.subject());
            // What the template stands for is named by a URI.
            assert_eq!(method::subject_param(getter), Some(got.key()), "{getter}");
            assert_eq!(method::extraction(getter), [[got.key()]], "{getter}");
        }
        for (method, named) in [
            (method::TOOLS_CALL, Some(ListKind::Tools)),
            (method::RESOURCES_READ, Some(ListKind::Resources)),
            (method::RESOURCES_SUBSCRIBE, Some(ListKind::Resources)),
            (method::SKILLS_GET, Some(ListKind::Skills)),
            (method::TOOLS_LIST, None),
            (method::COMPLETION, None),
            ("tasks/get", None),
        ] {
            assert_eq!(ListKind::named_by(method), named, "{method}");
        }
        assert_eq!(ListKind::of("tools/call"), None);
    }
}
