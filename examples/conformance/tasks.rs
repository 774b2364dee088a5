//! The tools that go on as a task when the client knows tasks (SEP-2663).

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock,
        CreateTaskResult,
    },
    service::RequestContext,
    task_manager::{TaskContext, TaskExit, TaskFuture, TaskManager, TaskOptions},
};
use serde_json::Value;
use tokio::time::sleep;

use crate::{input, unknown};

pub(crate) const TOOLS: [(&str, &str); 6] = [
    ("slow_compute", "Takes as many seconds as it is told."),
    ("failing_job", "Works for a while and fails."),
    ("protocol_error_job", "Ends in a protocol error."),
    ("confirm_delete", "Asks the user before it goes on."),
    ("multi_input", "Asks the user two things at once."),
    (
        "test_tool_with_task",
        "Asks the user first and becomes a task then.",
    ),
];

pub(crate) async fn call(
    tasks: &TaskManager,
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let seconds = request
        .arguments
        .as_ref()
        .and_then(|all| all.get("seconds"));
    let pause = Duration::from_secs(seconds.and_then(Value::as_u64).unwrap_or(0));
    let client = context.client_capabilities().unwrap_or_default();
    if !client.supports_tasks() {
        if request.name == "slow_compute" {
            sleep(pause).await;
            return Ok(done("Computed at once.").into());
        }
        let needed = ClientCapabilities::builder().enable_extensions();
        let needed = needed.enable_tasks().build();
        return Err(ErrorData::missing_required_client_capability(needed));
    }

    let answers = request.input_responses.as_ref();
    let name = input::text(answers, "user_name", "name").map(str::to_owned);
    if request.name == "test_tool_with_task" && name.is_none() {
        return Ok(input::ask_user([input::NAME], None).into());
    }
    let work: fn(TaskContext, Duration, String) -> TaskFuture = match request.name.as_ref() {
        "slow_compute" => |task, pause, _| {
            Box::pin(async move {
                tokio::select! {
                    () = sleep(pause) => Ok(done("Computed.")),
                    () = task.cancelled() => Err(TaskExit::Cancelled),
                }
            })
        },
        "failing_job" => |_, _, _| {
            Box::pin(async {
                sleep(Duration::from_secs(1)).await;
                let why = vec![ContentBlock::text("This job always fails.")];
                Ok(CallToolResult::error(why))
            })
        },
        "protocol_error_job" => |_, _, _| {
            Box::pin(async { Err(ErrorData::internal_error("this job breaks off", None).into()) })
        },
        "confirm_delete" => |task, _, _| {
            Box::pin(async move {
                let question = input::form("Really delete it?", "confirm", "boolean");
                let answer = task.request_input("confirm", question).await?;
                Ok(done(&format!("The user said {}.", answer["action"])))
            })
        },
        "multi_input" => |task, _, _| {
            Box::pin(async move {
                let ask =
                    |key| task.request_input(key, input::form("Which one?", "name", "string"));
                let (first, second) = tokio::join!(ask("first"), ask("second"));
                let (first, second) = (first?, second?);
                Ok(done(&format!(
                    "{} and {}",
                    first["content"], second["content"]
                )))
            })
        },
        "test_tool_with_task" => {
            |_, _, name| Box::pin(async move { Ok(done(&format!("Hello, {name}!"))) })
        }
        other => return Err(unknown("tool", other)),
    };
    let options = TaskOptions::new().with_poll_interval_ms(100);
    let task = tasks.spawn(options, |task| work(task, pause, name.unwrap_or_default()));
    Ok(CreateTaskResult::new(task).into())
}

fn done(text: &str) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}
