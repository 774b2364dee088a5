//! The tools that cannot answer without asking the client back: they return
//! what they ask, and the client calls again with its answers (MCP 2026-07-28).

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, InputRequest,
        InputRequiredResult, InputResponses,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

use crate::{fixed, unknown};

/// Key, message and the one field of a form.
pub(crate) type Question<'a> = (&'a str, &'a str, &'a str);

pub(crate) const NAME: Question<'_> = ("user_name", "What is your name?", "name");

pub(crate) fn call(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let answers = request.input_responses.as_ref();
    let answer = |key: &str| answers.and_then(|answers| answers.get(key));
    // A state carries nothing: to compare it with the word that was sent is all
    // the protection it needs.
    let state = request.request_state.as_deref();

    let text = match request
        .name
        .trim_start_matches("test_input_required_result_")
    {
        "elicitation" => match text(answers, "user_name", "name") {
            Some(name) => format!("Hello, {name}!"),
            None => return Ok(ask_user([NAME], None).into()),
        },
        "sampling" => match answer("capital_question").and_then(said) {
            Some(said) => said.to_owned(),
            None => {
                let question = model("What is the capital of France?");
                return Ok(ask([("capital_question", question)], None).into());
            }
        },
        "list_roots" => match answer("client_roots").and_then(roots) {
            Some(roots) => format!("Roots: {roots}"),
            None => return Ok(ask([("client_roots", list_roots())], None).into()),
        },
        "request_state" | "tampered_state" => match (state, answer("confirm")) {
            (Some("confirming"), Some(_)) => "state-ok".to_owned(),
            (None, None) => {
                let confirm = form("Please confirm", "ok", "boolean");
                return Ok(ask([("confirm", confirm)], Some("confirming")).into());
            }
            _ => return Err(bad_state()),
        },
        "multiple_inputs" => match (
            text(answers, "user_name", "name"),
            answer("greeting").and_then(said),
            answer("client_roots").and_then(roots),
        ) {
            (Some(name), Some(greeting), Some(roots)) if state == Some("asking-three") => {
                format!("{greeting}, {name}! Roots: {roots}")
            }
            _ => {
                let (key, message, field) = NAME;
                let three = [
                    (key, form(message, field, "string")),
                    ("greeting", model("Generate a greeting")),
                    ("client_roots", list_roots()),
                ];
                return Ok(ask(three, Some("asking-three")).into());
            }
        },
        "multi_round" => {
            let step1 = ("step1", "Step 1: What is your name?", "name");
            let step2 = ("step2", "Step 2: What is your favorite color?", "color");
            match state {
                None => return Ok(ask_user([step1], Some("round-1")).into()),
                Some("round-1") => return Ok(ask_user([step2], Some("round-2")).into()),
                Some("round-2") => match text(answers, "step2", "color") {
                    Some(color) => format!("Your favorite color is {color}."),
                    None => return Ok(ask_user([step2], Some("round-2")).into()),
                },
                Some(_) => return Err(bad_state()),
            }
        }
        "capabilities" => {
            let can = context.client_capabilities().unwrap_or_default();
            let (key, message, field) = NAME;
            let user = can
                .elicitation
                .map(|_| (key, form(message, field, "string")));
            let model = can
                .sampling
                .map(|_| ("greeting", model("Generate a greeting")));
            let questions: Vec<_> = user.into_iter().chain(model).collect();
            if questions.is_empty() || answers.is_some() {
                "Nothing to ask.".to_owned()
            } else {
                return Ok(ask(questions, None).into());
            }
        }
        _ => return Err(unknown("tool", &request.name)),
    };
    Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
}

fn bad_state() -> ErrorData {
    ErrorData::invalid_params("this is not the requestState that was sent", None)
}

fn ask<'a>(
    questions: impl IntoIterator<Item = (&'a str, InputRequest)>,
    state: Option<&str>,
) -> InputRequiredResult {
    let questions = questions.into_iter();
    let questions = questions.map(|(key, question)| (key.to_owned(), question));
    InputRequiredResult::new(Some(questions.collect()), state.map(str::to_owned))
}

/// Asks for one text each.
pub(crate) fn ask_user<'a>(
    questions: impl IntoIterator<Item = Question<'a>>,
    state: Option<&str>,
) -> InputRequiredResult {
    let questions = questions.into_iter();
    let questions = questions.map(|(key, message, field)| (key, form(message, field, "string")));
    ask(questions, state)
}

pub(crate) fn form(message: &str, field: &str, kind: &str) -> InputRequest {
    let schema = json!({
        "type": "object",
        "properties": { field: { "type": kind } },
        "required": [field],
    });
    let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    fixed(json!({ "method": "elicitation/create", "params": params }))
}

fn model(prompt: &str) -> InputRequest {
    let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
    let params = json!({ "messages": [message], "maxTokens": 100 });
    fixed(json!({ "method": "sampling/createMessage", "params": params }))
}

fn list_roots() -> InputRequest {
    fixed(json!({ "method": "roots/list" }))
}

/// What the user wrote into a field of a form, if the form was accepted.
pub(crate) fn text<'a>(
    answers: Option<&'a InputResponses>,
    key: &str,
    field: &str,
) -> Option<&'a str> {
    let answer = answers?.get(key)?;
    if answer.get("action")? != "accept" {
        return None;
    }
    answer.get("content")?.get(field)?.as_str()
}

/// What the model said.
fn said(answer: &Value) -> Option<&str> {
    answer.get("content")?.get("text")?.as_str()
}

fn roots(answer: &Value) -> Option<String> {
    let roots = answer.get("roots")?.as_array()?;
    let uris = roots.iter().map(|root| root.get("uri")?.as_str());
    let uris: Option<Vec<_>> = uris.collect();
    Some(uris?.join(", "))
}
