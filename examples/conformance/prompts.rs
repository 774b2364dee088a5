//! The prompts of the suite's scenarios.

use rmcp::{
    ErrorData,
    model::{
        ContentBlock, GetPromptRequestParams, GetPromptResponse, GetPromptResult, Prompt,
        PromptMessage, ResourceContents, Role,
    },
};
use serde_json::json;

use crate::{PNG, argument, fixed, input, unknown};

pub(crate) fn list() -> Vec<Prompt> {
    fixed(json!([
        { "name": "test_simple_prompt", "description": "One message." },
        {
            "name": "test_prompt_with_arguments",
            "description": "One message that quotes both arguments.",
            "arguments": [
                { "name": "arg1", "description": "Quoted first.", "required": true },
                { "name": "arg2", "description": "Quoted second.", "required": true },
            ],
        },
        {
            "name": "test_prompt_with_embedded_resource",
            "description": "A resource and a message about it.",
            "arguments": [
                { "name": "resourceUri", "description": "Where the resource says it is.", "required": true },
            ],
        },
        { "name": "test_prompt_with_image", "description": "An image and a message about it." },
        { "name": "test_input_required_result_prompt", "description": "One message, once it knows its context." },
    ]))
}

pub(crate) fn get(request: &GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let argument = |name| argument(request.arguments.as_ref(), name);
    let user = |content| PromptMessage::new(Role::User, content);
    let text = |text: &str| user(ContentBlock::text(text));
    let messages = match request.name.as_str() {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => {
            let (first, second) = (argument("arg1")?, argument("arg2")?);
            vec![text(&format!(
                "Prompt with arguments: arg1='{first}', arg2='{second}'"
            ))]
        }
        "test_prompt_with_embedded_resource" => {
            let said = "Embedded resource content for testing.";
            let resource = ResourceContents::text(said, argument("resourceUri")?);
            vec![
                user(ContentBlock::resource(resource)),
                text("Please process the embedded resource above."),
            ]
        }
        "test_prompt_with_image" => vec![
            user(ContentBlock::image(PNG, "image/png")),
            text("Please analyze the image above."),
        ],
        "test_input_required_result_prompt" => {
            let question = (
                "user_context",
                "What context should the prompt use?",
                "context",
            );
            match input::text(request.input_responses.as_ref(), "user_context", "context") {
                Some(context) => vec![text(&format!("Use this context: {context}"))],
                None => return Ok(input::ask_user([question], None).into()),
            }
        }
        other => return Err(unknown("prompt", other)),
    };
    Ok(GetPromptResult::new(messages).into())
}
