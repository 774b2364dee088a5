//! The tools that ask the client while they run, with requests of the server's
//! own on the stream of the call: the way before 2026-07-28.

use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolRequestParams, ClientResult, ServerRequest},
    service::RequestContext,
};
use serde_json::{Value, json};

use crate::{argument, fixed, unknown};

pub(crate) async fn call(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<String, ErrorData> {
    let argument = |name| argument(request.arguments.as_ref(), name);
    let text = match request.name.as_ref() {
        "test_sampling" => {
            let prompt = json!({ "type": "text", "text": argument("prompt")? });
            let message = json!({ "role": "user", "content": prompt });
            let params = json!({ "messages": [message], "maxTokens": 100 });
            let request = json!({ "method": "sampling/createMessage", "params": params });
            let answer = ask_client(context, request).await?;
            let said = &answer["content"]["text"];
            format!("LLM response: {}", said.as_str().unwrap_or_default())
        }
        "test_elicitation" => {
            let fields = json!({
                "username": { "type": "string", "description": "User's response" },
                "email": { "type": "string", "description": "User's email address" },
            });
            let answer = show_form(
                context,
                argument("message")?,
                fields,
                &["username", "email"],
            );
            format!("User response: {}", answer.await?)
        }
        "test_elicitation_sep1034_defaults" => {
            let fields = json!({
                "name": { "type": "string", "default": "John Doe" },
                "age": { "type": "integer", "default": 30 },
                "score": { "type": "number", "default": 95.5 },
                "status": {
                    "type": "string",
                    "enum": ["active", "inactive", "pending"],
                    "default": "active",
                },
                "verified": { "type": "boolean", "default": true },
            });
            let answer = show_form(context, "Please check the defaults", fields, &[]);
            format!("Elicitation completed: {}", answer.await?)
        }
        "test_elicitation_sep1330_enums" => {
            let fields = json!({
                "untitledSingle": { "type": "string", "enum": ["option1", "option2", "option3"] },
                "titledSingle": {
                    "type": "string",
                    "oneOf": [
                        { "const": "value1", "title": "First Option" },
                        { "const": "value2", "title": "Second Option" },
                        { "const": "value3", "title": "Third Option" },
                    ],
                },
                "legacyEnum": {
                    "type": "string",
                    "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"],
                },
                "untitledMulti": {
                    "type": "array",
                    "items": { "type": "string", "enum": ["option1", "option2", "option3"] },
                },
                "titledMulti": {
                    "type": "array",
                    "items": {
                        "anyOf": [
                            { "const": "value1", "title": "First Choice" },
                            { "const": "value2", "title": "Second Choice" },
                            { "const": "value3", "title": "Third Choice" },
                        ],
                    },
                },
            });
            let answer = show_form(context, "Please choose", fields, &[]);
            format!("Elicitation completed: {}", answer.await?)
        }
        other => return Err(unknown("tool", other)),
    };
    Ok(text)
}

async fn show_form(
    context: &RequestContext<RoleServer>,
    message: &str,
    fields: Value,
    required: &[&str],
) -> Result<String, ErrorData> {
    let schema = json!({ "type": "object", "properties": fields, "required": required });
    let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    let request = json!({ "method": "elicitation/create", "params": params });
    let answer = ask_client(context, request).await?;
    let action = answer["action"].as_str().unwrap_or_default();
    Ok(format!("action={action}, content={}", answer["content"]))
}

async fn ask_client(
    context: &RequestContext<RoleServer>,
    request: Value,
) -> Result<Value, ErrorData> {
    let answer = context.peer.send_request(fixed::<ServerRequest>(request));
    let answer = match answer.await {
        Ok(ClientResult::CreateMessageResult(answer)) => serde_json::to_value(answer),
        Ok(ClientResult::ElicitResult(answer)) => serde_json::to_value(answer),
        Ok(_) => {
            return Err(ErrorData::internal_error(
                "the client answers something else",
                None,
            ));
        }
        Err(error) => return Err(ErrorData::internal_error(error.to_string(), None)),
    };
    answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
