//! The kinds of lists that servers have, and their names in methods and results.

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
        match method {
            method::TOOLS_LIST => Some(Self::Tools),
            method::PROMPTS_LIST => Some(Self::Prompts),
            method::RESOURCES_LIST => Some(Self::Resources),
            method::TEMPLATES_LIST => Some(Self::Templates),
            method::SKILLS_LIST => Some(Self::Skills),
            _ => None,
        }
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

    /// The member of an entry with its name.
    pub fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources | Self::Skills => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// Whether patterns can be compared with `name`, the name of an entry. A URI or template of a
    /// resource must be in normal form.
    pub fn is_normal(self, name: &str) -> bool {
        match self {
            Self::Tools | Self::Prompts => true,
            Self::Resources | Self::Skills => resource_uri::check_normal(name).is_ok(),
            Self::Templates => resource_uri::check_normal_template(name).is_ok(),
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
}
