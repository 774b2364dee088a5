//! Words of a query that say nothing about a tool, and words with similar meanings.

/// A query is searched without these words, if it has other words.
const STOP_WORDS: &str = " a about all also am an and any are as at be been but by can could did do does \
    each every for from had has have he her him his how i if in into is it its just let like may me might my no not of \
    off on or our out over own please really s she should so some t than that the their them then there these \
    they this those to too up us want was we were what when where which why will with would you your ";

/// Each line has words with similar meanings.
const RELATED: &[&str] = &[
    "create add new make insert open",
    "delete remove drop erase cancel",
    "list show see view display browse all",
    "get fetch read retrieve show",
    "find search lookup look query",
    "update edit change modify set alter",
    "send post write publish share tell say inform announce notify",
    "run execute start launch trigger",
    "stop end kill terminate halt cancel",
    "close resolve finish complete done",
    "restart reboot",
    "move transfer transition shift",
    "copy duplicate clone fork",
    "assign give owner responsible",
    "approve accept confirm",
    "merge combine join unite",
    "refund back reimburse return",
    "coupon discount voucher promotion",
    "vacation holiday leave away absent",
    "reject decline refuse",
    "upload attach attachment",
    "download export save",
    "schedule plan book arrange",
    "mail email gmail inbox",
    "message chat dm conversation text",
    "channel room",
    "people person user member contact colleague someone who",
    "team group",
    "issue ticket bug task",
    "task todo reminder do",
    "page document doc note article wiki",
    "file document attachment",
    "folder directory",
    "picture image photo screenshot",
    "repository repo project",
    "pull merge pr review",
    "comment reply answer",
    "meeting event appointment calendar",
    "free available availability busy",
    "payment charge pay money",
    "invoice bill",
    "customer client buyer",
    "price cost amount spend spent expense",
    "order purchase",
    "table rows records",
    "column field schema",
    "database db sql",
    "error exception crash failure failed problem broken bug",
    "metric graph chart dashboard",
    "alert alarm incident outage",
    "pod container",
    "server machine instance host vm",
    "deploy release rollout version",
    "website url link webpage site web",
    "web internet online",
    "weather forecast temperature rain",
    "map place location address",
    "route directions distance",
    "label tag",
    "star favorite",
    "permission access role",
    "password secret credential",
    "history changes commits revision",
    "status state progress",
    "check test verify validate",
    "domain dns hostname",
    "aws amazon",
    "summary overview statistics",
    "lead deal opportunity",
    "sheet spreadsheet",
    "slide presentation",
    "org organization company",
    "config configuration setting preference",
    "env environment",
    "info information detail",
];

/// Whether `word` says nothing about a tool.
pub(super) fn is_stop_word(word: &[u8]) -> bool {
    STOP_WORDS.split(' ').any(|it| it.as_bytes() == word)
}

/// The lines of words with similar meanings.
pub(super) fn related() -> impl Iterator<Item = &'static str> {
    RELATED.iter().copied()
}
