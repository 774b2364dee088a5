//! Tasks of two servers behind one gateway (SEP-2663). The client uses the Rust SDK.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, ClientCapabilities, ClientConfig,
    GetTaskParams, Implementation, ProtocolVersion, TaskPayload, UpdateTaskParams,
};
use rmcp::service::{RoleClient, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::server::Server;

type Client = RunningService<RoleClient, ClientConfig>;

async fn connect(envoy: &Envoy) -> Client {
    let capabilities = ClientCapabilities::builder().enable_extensions();
    let capabilities = capabilities.enable_tasks().build();
    let config = ClientConfig::new(capabilities, Implementation::new("tasks", "1"));
    let transport = StreamableHttpClientTransport::from_uri(envoy.url());
    let lifecycle = ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    };
    let client = config.serve_with_lifecycle(transport, lifecycle).await;
    client.expect("a gateway")
}

/// Calls this tool, and returns the id of the task that the tool creates.
async fn task(client: &Client, tool: &str, arguments: Value) -> String {
    let Value::Object(arguments) = arguments else {
        panic!("{arguments}")
    };
    let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
    match client.call_tool_once(params).await {
        Ok(CallToolResponse::Task(created)) => created.task.task_id,
        other => panic!("{tool}: {other:?}"),
    }
}

/// Asks for the state of the task until `is` is true for it, and returns it.
async fn poll(client: &Client, id: &str, is: fn(&TaskPayload) -> bool) -> TaskPayload {
    let polled = timeout(Duration::from_secs(60), async {
        loop {
            let state = client.get_task(GetTaskParams::new(id)).await;
            let state = state.expect("the state of the task").task;
            assert_eq!(state.task.task_id, id);
            if is(&state.payload) {
                return state.payload;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    polled.await.expect("a task that goes on")
}

fn is_completed(payload: &TaskPayload) -> bool {
    matches!(payload, TaskPayload::Completed { .. })
}

#[tokio::test]
async fn the_rust_sdk_has_tasks_of_two_servers() {
    let (a, b) = (Server::start("conformance"), Server::start("conformance"));
    let config =
        r#"{"servers":[{"name":"a","hostname":"localhost"},{"name":"b","hostname":"localhost"}]}"#;
    let clusters = [("a", a.address), ("b", b.address)];
    let envoy = Envoy::start("tasks", &Bootstrap::servers(config, &clusters));
    let client = connect(&envoy).await;
    let server = client.peer_info().expect("what the gateway is");
    assert!(server.capabilities.supports_tasks(), "{server:?}");

    // Each server knows only its own tasks.
    let at_a = task(&client, "a__slow_compute", json!({"seconds": 0})).await;
    let at_b = task(&client, "b__slow_compute", json!({"seconds": 0})).await;
    for id in [&at_a, &at_b, &at_a] {
        poll(&client, id, is_completed).await;
    }

    let asking = task(&client, "b__confirm_delete", json!({})).await;
    let asked = |payload: &TaskPayload| matches!(payload, TaskPayload::InputRequired { .. });
    poll(&client, &asking, asked).await;
    let answers = json!({"confirm": {"action": "accept", "content": {"confirm": true}}});
    let answers = serde_json::from_value(answers).expect("answers");
    let update = UpdateTaskParams::new(asking.as_str(), answers);
    client
        .update_task(update)
        .await
        .expect("an acknowledgement");
    let done = poll(&client, &asking, is_completed).await;
    assert!(format!("{done:?}").contains("The user said"), "{done:?}");

    let long = task(&client, "a__slow_compute", json!({"seconds": 60})).await;
    let cancel = CancelTaskParams::new(long.as_str());
    client
        .cancel_task(cancel)
        .await
        .expect("an acknowledgement");
    poll(&client, &long, |payload| {
        matches!(payload, TaskPayload::Cancelled)
    })
    .await;

    match client.get_task(GetTaskParams::new("made up")).await {
        Err(ServiceError::McpError(error)) => assert_eq!(error.code.0, -32602, "{error:?}"),
        other => panic!("{other:?}"),
    }
    client.cancel().await.expect("an end");
}
