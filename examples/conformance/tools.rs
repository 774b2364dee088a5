//! The tools of the suite's scenarios, but for those in `input`.

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock,
        JsonObject, LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam,
        ResourceContents, Tool,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{Fixture, PNG, WAV, argument, asking, fixed, input, is_modern, tasks, unknown};

const STEP: Duration = Duration::from_millis(50);

pub(crate) fn list() -> Vec<Tool> {
    let no_arguments = [
        ("test_simple_text", "Returns a sentence."),
        ("test_image_content", "Returns an image."),
        ("test_audio_content", "Returns a sound."),
        ("test_embedded_resource", "Returns a resource."),
        (
            "test_multiple_content_types",
            "Returns a sentence, an image and a resource.",
        ),
        ("test_error_handling", "Fails."),
        (
            "test_tool_with_logging",
            "Sends three log messages while it runs.",
        ),
        (
            "test_logging_tool",
            "Sends a log message if the request asks for them.",
        ),
        (
            "test_tool_with_progress",
            "Tells how far it is, three times.",
        ),
        (
            "test_elicitation_sep1034_defaults",
            "Shows the user a form with defaults.",
        ),
        (
            "test_elicitation_sep1330_enums",
            "Shows the user a form with choices of every kind.",
        ),
        (
            "test_missing_capability",
            "Needs a client that offers sampling.",
        ),
        ("test_streaming_elicitation", "Asks the user's name."),
        (
            "test_trigger_tool_change",
            "Says that the list of tools has changed.",
        ),
        (
            "test_trigger_prompt_change",
            "Says that the list of prompts has changed.",
        ),
        ("test_input_required_result_elicitation", "Asks the user."),
        ("test_input_required_result_sampling", "Asks the model."),
        (
            "test_input_required_result_list_roots",
            "Asks for the roots.",
        ),
        (
            "test_input_required_result_request_state",
            "Asks the user and keeps a state.",
        ),
        (
            "test_input_required_result_multiple_inputs",
            "Asks user, model and client.",
        ),
        (
            "test_input_required_result_multi_round",
            "Asks the user twice.",
        ),
        (
            "test_input_required_result_tampered_state",
            "Refuses a state that it did not send.",
        ),
        (
            "test_input_required_result_capabilities",
            "Asks only whom the client offers.",
        ),
    ];
    let no_arguments = no_arguments
        .into_iter()
        .chain(tasks::TOOLS)
        .map(|(name, description)| tool(name, description, json!({ "type": "object" })));
    let with_arguments = [
        tool(
            "test_sampling",
            "Asks the client's model.",
            one_text("prompt"),
        ),
        tool("test_elicitation", "Asks the user.", one_text("message")),
        tool("greet", "Greets, and never as a task.", one_text("name")),
        tool(
            "test_mirrored_header",
            "Repeats a region that the request's headers must name as well.",
            json!({
                "type": "object",
                "properties": { "region": { "type": "string", "x-mcp-header": "Region" } },
                "required": ["region"],
            }),
        ),
        tool(
            "json_schema_2020_12_tool",
            "Has a schema with keywords of JSON Schema 2020-12.",
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "$defs": {
                    "address": {
                        "$anchor": "addressDef",
                        "type": "object",
                        "properties": {
                            "street": { "type": "string" },
                            "city": { "type": "string" },
                        },
                    },
                },
                "properties": {
                    "name": { "type": "string" },
                    "address": { "$ref": "#/$defs/address" },
                    "contactMethod": { "type": "string", "enum": ["phone", "email"] },
                    "phone": { "type": "string" },
                    "email": { "type": "string" },
                },
                "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
                "if": {
                    "properties": { "contactMethod": { "const": "phone" } },
                    "required": ["contactMethod"],
                },
                "then": { "required": ["phone"] },
                "else": { "required": ["email"] },
                "additionalProperties": false,
            }),
        ),
    ];
    no_arguments.chain(with_arguments).collect()
}

fn tool(name: &'static str, description: &'static str, schema: Value) -> Tool {
    Tool::new(name, description, fixed::<JsonObject>(schema))
}

fn one_text(name: &str) -> Value {
    json!({ "type": "object", "properties": { name: { "type": "string" } }, "required": [name] })
}

pub(crate) async fn call(
    fixture: &Fixture,
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let argument = |name| argument(request.arguments.as_ref(), name);
    let text = |text: &str| vec![ContentBlock::text(text)];
    let content = match request.name.as_ref() {
        "test_simple_text" => text("This is a simple text response for testing."),
        "test_image_content" => vec![ContentBlock::image(PNG, "image/png")],
        "test_audio_content" => vec![ContentBlock::audio(WAV, "audio/wav")],
        "test_embedded_resource" => vec![ContentBlock::embedded_text(
            "test://embedded-resource",
            "This is an embedded resource content.",
        )],
        "test_multiple_content_types" => {
            let data = json!({ "test": "data", "value": 123 }).to_string();
            let resource = ResourceContents::text(data, "test://mixed-content-resource");
            let resource = resource.with_mime_type("application/json");
            vec![
                ContentBlock::text("Multiple content types test:"),
                ContentBlock::image(PNG, "image/png"),
                ContentBlock::resource(resource),
            ]
        }
        "test_error_handling" => {
            let why = text("This tool intentionally returns an error for testing");
            return Ok(CallToolResult::error(why).into());
        }
        "test_tool_with_logging" => {
            log(context, "Tool execution started").await?;
            sleep(STEP).await;
            log(context, "Tool processing data").await?;
            sleep(STEP).await;
            log(context, "Tool execution completed").await?;
            text("Logged three messages.")
        }
        "test_logging_tool" => {
            log(context, "This request asked for log messages").await?;
            text("Logged what was asked for.")
        }
        "test_tool_with_progress" => {
            for progress in [0.0, 50.0, 100.0] {
                if let Some(token) = context.meta.get_progress_token() {
                    let params = ProgressNotificationParam::new(token, progress).with_total(100.0);
                    let sent = context.peer.notify_progress(params).await;
                    sent.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
                }
                sleep(STEP).await;
            }
            text("Done.")
        }
        "test_sampling"
        | "test_elicitation"
        | "test_elicitation_sep1034_defaults"
        | "test_elicitation_sep1330_enums" => text(&asking::call(request, context).await?),
        "test_missing_capability" => {
            let offered = context.client_capabilities().unwrap_or_default();
            if offered.sampling.is_none() {
                let needed = ClientCapabilities::builder().enable_sampling().build();
                return Err(ErrorData::missing_required_client_capability(needed));
            }
            text("The client offers sampling.")
        }
        "test_streaming_elicitation" => {
            return Ok(input::ask_user([input::NAME], None).into());
        }
        "test_trigger_tool_change" => {
            for listener in fixture.listeners() {
                // Who did not ask for it, or has left, does not get it.
                let _ = listener.notify_tool_list_changed().await;
            }
            text("Told who listens.")
        }
        "test_trigger_prompt_change" => {
            for listener in fixture.listeners() {
                let _ = listener.notify_prompt_list_changed().await;
            }
            text("Told who listens.")
        }
        "greet" => text(&format!("Hello, {}!", argument("name")?)),
        "test_mirrored_header" => text(&format!("Region: {}", argument("region")?)),
        "json_schema_2020_12_tool" => text("Only its schema matters."),
        other => return Err(unknown("tool", other)),
    };
    Ok(CallToolResult::success(content).into())
}

/// Modern requests say themselves whether they want log messages.
async fn log(context: &RequestContext<RoleServer>, message: &str) -> Result<(), ErrorData> {
    if is_modern(context) && context.meta.log_level().is_none() {
        return Ok(());
    }
    let params = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(message));
    let sent = context.peer.notify_logging_message(params).await;
    sent.map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
