//! The configurations of `envoy/recipes`. Each one combines this filter with other filters
//! of Envoy.

mod client_credentials;
mod forward_proxy;
mod guardrails;
mod rest_as_tools;
mod token_exchange;
mod token_limits;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::example::shipped;
use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::Capture;
use crate::harness::fake::{self, Answers};
use crate::harness::process::run;
use crate::harness::setup;

const SAID_WITHIN: Duration = Duration::from_secs(60);

/// The first version of Envoy that supports each recipe. The other recipes run in all
/// versions that the filter supports.
const SINCE: &[(&str, [u32; 2])] = &[
    ("client_credentials.yaml", [1, 37]),
    ("rest_as_tools.yaml", [1, 40]),
];

/// The answers of the server `weather` of the recipes.
const WEATHER: Answers = &[
    (
        "tools/list",
        r#"{"resultType":"complete","tools":[{"name":"get_weather","inputSchema":{"type":"object"}}],"ttlMs":0,"cacheScope":"private"}"#,
    ),
    (
        "tools/call",
        r#"{"resultType":"complete","content":[{"type":"text","text":"14"}]}"#,
    ),
];

async fn weather() -> Capture {
    fake::start(r#"{"tools":{}}"#, WEATHER).await
}

/// The recipe `name` with the ports of this test. `None` if this Envoy is too old for it.
fn recipe(name: &str, ports: &[(u16, SocketAddr)]) -> Option<Bootstrap> {
    if !is_supported(name) {
        return None;
    }
    let text = ports.iter().fold(text(name), |text, (port, address)| {
        let (from, to) = (
            format!("port_value: {port}"),
            format!("port_value: {}", address.port()),
        );
        assert!(text.contains(&from), "{name}: no {from}");
        text.replace(&from, &to)
    });
    let other = Bootstrap::policy(([127, 0, 0, 1], 0).into());
    let whole = other.text().to_owned();
    let bootstrap = other.replace(&whole, &text);
    Some(
        bootstrap
            .replace("port_value: 10000", "port_value: 0")
            .replace("port_value: 9901", "port_value: 0"),
    )
}

/// The text of the recipe, with the secret in place of the environment variable that a user
/// would set.
pub(crate) fn text(name: &str) -> String {
    shipped(&format!("recipes/{name}")).replace(
        "{ environment_variable: WEATHER_CLIENT_SECRET }",
        &format!("{{ inline_string: {} }}", crate::login::SECRET),
    )
}

/// Whether the Envoy under test supports the recipe.
pub(crate) fn is_supported(name: &str) -> bool {
    let since = SINCE.iter().find(|(recipe, _)| *recipe == name);
    let Some((_, since)) = since else {
        return true;
    };
    let supported = version() >= *since;
    if !supported {
        eprintln!("{name} is left out: it needs Envoy {since:?}");
    }
    supported
}

/// The major and minor version of Envoy. `envoy --version` prints
/// `… version: …/1.40.0/Clean/…`.
fn version() -> [u32; 2] {
    let output = run(Command::new(setup::envoy()).arg("--version"), SAID_WITHIN);
    let (_, version) = output.stdout.split_once("version: ").expect("a version");
    let version = version.split('/').nth(1).expect("a version");
    let mut parts = version
        .split('.')
        .map(|part| part.parse().expect("a number"));
    let mut next = || parts.next().expect("a part of the version");
    [next(), next()]
}
