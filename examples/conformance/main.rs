//! The MCP server that the official conformance suite asks for: tools, prompts
//! and resources under the names and in the shapes its scenarios call for.
//! `scripts/conformance` asks it directly and through Envoy.
//!
//! `cargo run --example conformance -- --port 9003` serves
//! `http://127.0.0.1:9003/mcp`; `--port 0` takes any free port and says which.
//! `--era legacy` or `--era modern` before it: knows nothing of the other one.

#![expect(deprecated, reason = "the suite asks for logging and sampling, too")]

mod asking;
mod input;
mod prompts;
mod resources;
#[path = "../serve/mod.rs"]
mod serve;
mod tasks;
mod tools;

use std::{
    borrow::Cow,
    env,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
        CompleteResult, CompletionInfo, GetPromptRequestParams, GetPromptResponse, GetTaskParams,
        GetTaskResult, Implementation, JsonObject, ListPromptsResult, ListResourceTemplatesResult,
        ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion,
        ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
        SetLevelRequestMethod, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter,
        Tool, UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{RequestContext, SubscriptionContext, SubscriptionSink},
    task_manager::TaskManager,
    transport::streamable_http_server::StreamableHttpServerConfig,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = env::args().skip(1).peekable();
    let era = args.next_if(|arg| arg == "--era").and_then(|_| args.next());
    let versions = match era.as_deref() {
        Some("legacy") => ProtocolVersion::known_up_to(&ProtocolVersion::V_2025_11_25),
        Some("modern") => &[ProtocolVersion::V_2026_07_28],
        _ => ProtocolVersion::KNOWN_VERSIONS,
    };
    let fixture = Fixture {
        versions,
        listeners: Arc::default(),
        tasks: TaskManager::default(),
    };
    let config = StreamableHttpServerConfig::default();
    serve::serve("conformance", 9003, args, config, fixture).await
}

/// What is written here in JSON, as the suite's own documentation writes it.
fn fixed<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("the fixture is written as rmcp reads it")
}

fn unknown(what: &str, name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("unknown {what}: {name}"), None)
}

/// An argument that has to be there, and to be text.
fn argument<'a>(arguments: Option<&'a JsonObject>, name: &str) -> Result<&'a str, ErrorData> {
    let text = arguments.and_then(|all| all.get(name)?.as_str());
    text.ok_or_else(|| ErrorData::invalid_params(format!("`{name}` is missing"), None))
}

/// A 1×1 PNG, red.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";
/// A WAV of a millisecond, silent.
const WAV: &str = "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAgICAgICAgA==";

#[derive(Clone)]
struct Fixture {
    versions: &'static [ProtocolVersion],
    /// The open `subscriptions/listen` streams.
    listeners: Arc<Mutex<Vec<SubscriptionSink>>>,
    tasks: TaskManager,
}

impl Fixture {
    fn listeners(&self) -> Vec<SubscriptionSink> {
        let listeners = self.listeners.lock();
        listeners.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether the request speaks 2026-07-28, without sessions and without the
/// methods that only they have a use for.
fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    let version = context.protocol_version();
    version.is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

impl ServerHandler for Fixture {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(self.versions)
    }

    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .build();
        let info = Implementation::new("conformance", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities).with_server_info(info)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::list()))
    }

    /// rmcp compares `Mcp-Param-*` headers with the arguments by this.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::list().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name.starts_with("test_input_required_result_") {
            return input::call(&request, &context);
        }
        if tasks::TOOLS.iter().any(|(name, _)| *name == request.name) {
            return tasks::call(&self.tasks, &request, &context).await;
        }
        tools::call(self, &request, &context).await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.tasks
            .get_task(&request.task_id)
            .map(GetTaskResult::new)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let answers = request.input_responses;
        self.tasks.update_task(&request.task_id, answers)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks.cancel_task(&request.task_id)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::list()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&request)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let known = ["paris", "park", "party", "test"].map(String::from);
        let starts = |word: &String| word.starts_with(&request.argument.value);
        let values = known.into_iter().filter(starts).collect();
        let info = CompletionInfo::new(values);
        let info = info.map_err(|error| ErrorData::internal_error(error, None))?;
        Ok(CompleteResult::new(info))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::list()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = resources::templates();
        Ok(ListResourceTemplatesResult::with_all_items(templates))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&request.uri)
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        resources::read(&request.uri).map(|_| ())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        resources::read(&request.uri).map(|_| ())
    }

    /// Which messages `test_tool_with_logging` sends is the same at every level.
    async fn set_level(
        &self,
        _: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if is_modern(&context) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let listeners = &self.listeners;
        let lock = || listeners.lock().unwrap_or_else(PoisonError::into_inner);
        lock().push(context.sink().clone());
        context.cancelled().await;
        lock().retain(|sink| sink.id() != context.sink().id());
        Ok(())
    }
}
