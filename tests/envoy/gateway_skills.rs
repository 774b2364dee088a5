//! Skills of two servers behind one gateway (SEP-2640). The client uses the Rust SDK.

use rmcp::model::{
    ClientCapabilities, ClientConfig, GetSkillRequestParams, Implementation, ProtocolVersion,
    ReadResourceRequestParams, ResourceContents, SkillResources,
};
use rmcp::service::{RoleClient, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientLifecycleMode, ClientServiceExt, ServiceExt};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::server::Server;

type Client = RunningService<RoleClient, ClientConfig>;

async fn connect(envoy: &Envoy, is_modern: bool) -> Client {
    let info = Implementation::new("skills", "1");
    let config = ClientConfig::new(ClientCapabilities::default(), info);
    let transport = StreamableHttpClientTransport::from_uri(envoy.url());
    if is_modern {
        let lifecycle = ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        };
        let client = config.serve_with_lifecycle(transport, lifecycle).await;
        return client.expect("a gateway");
    }
    config.serve(transport).await.expect("a gateway")
}

/// Lists the skills, gets each of them, and reads its files. The digests of the files must be
/// right.
async fn use_skills(client: &Client) {
    let server = client.peer_info().expect("what the gateway is");
    assert!(server.capabilities.supports_skills(), "{server:?}");
    assert!(!server.capabilities.supports_directory_read());
    let skills = client.list_all_skills().await.expect("skills");
    let uris: Vec<&str> = skills.iter().map(|skill| skill.uri.as_str()).collect();
    let of = |server: &str| format!("{server}+skill://weather-report/SKILL.md");
    assert_eq!(uris, [of("a"), of("b")]);
    for skill in &skills {
        skill.validate().expect("a skill");
        let got = client.get_skill(GetSkillRequestParams::new(&skill.uri));
        assert_eq!(got.await.expect("the skill").skill, *skill);
        let SkillResources::Files(files) = &skill.resources else {
            panic!("{skill:?}")
        };
        assert_eq!(files.len(), 2);
        for file in files {
            let read = client.read_resource(ReadResourceRequestParams::new(&file.uri));
            let read = read.await.expect("a file of the skill");
            let [ResourceContents::TextResourceContents { uri, text, .. }] = &*read.contents else {
                panic!("{read:?}")
            };
            assert_eq!(*uri, file.uri);
            file.verify(text.as_bytes()).expect("what was promised");
        }
    }
    for uri in ["a+skill://none/SKILL.md", "skill://weather-report/SKILL.md"] {
        match client.get_skill(GetSkillRequestParams::new(uri)).await {
            Err(ServiceError::McpError(error)) => assert_eq!(error.code.0, -32602, "{error:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_rust_sdk_has_skills_of_two_servers() {
    let (a, b) = (Server::start("skills"), Server::start("skills"));
    // This server has no skills, and the gateway does not ask it for any.
    let weather = Server::start("weather");
    let config = r#"{"servers":[{"name":"a","hostname":"localhost"},{"name":"b","hostname":"localhost"},{"name":"w","hostname":"localhost"}]}"#;
    let clusters = [("a", a.address), ("b", b.address), ("w", weather.address)];
    let envoy = Envoy::start("skills", &Bootstrap::servers(config, &clusters));
    for is_modern in [true, false] {
        use_skills(&connect(&envoy, is_modern).await).await;
    }
}
