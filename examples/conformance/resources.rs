//! The resources of the suite's scenarios.

use rmcp::{
    ErrorData,
    model::{
        ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
    },
};
use serde_json::json;

use crate::{PNG, fixed};

pub(crate) fn list() -> Vec<Resource> {
    fixed(json!([
        {
            "uri": "test://static-text",
            "name": "static-text",
            "description": "A sentence.",
            "mimeType": "text/plain",
        },
        {
            "uri": "test://static-binary",
            "name": "static-binary",
            "description": "A red dot.",
            "mimeType": "image/png",
        },
        {
            "uri": "test://watched-resource",
            "name": "watched-resource",
            "description": "A sentence to subscribe to.",
            "mimeType": "text/plain",
        },
    ]))
}

pub(crate) fn templates() -> Vec<ResourceTemplate> {
    fixed(json!([{
        "uriTemplate": "test://template/{id}/data",
        "name": "template-data",
        "description": "The data of an id.",
        "mimeType": "application/json",
    }]))
}

pub(crate) fn read(uri: &str) -> Result<ReadResourceResponse, ErrorData> {
    let id = uri
        .strip_prefix("test://template/")
        .and_then(|rest| rest.strip_suffix("/data"));
    let contents = match (uri, id) {
        ("test://static-text", _) => {
            ResourceContents::text("This is the content of the static text resource.", uri)
        }
        ("test://static-binary", _) => ResourceContents::blob(PNG, uri).with_mime_type("image/png"),
        ("test://watched-resource", _) => ResourceContents::text("Nothing has changed yet.", uri),
        (_, Some(id)) => {
            let data = format!("Data for ID: {id}");
            let text = json!({ "id": id, "templateTest": true, "data": data }).to_string();
            ResourceContents::text(text, uri).with_mime_type("application/json")
        }
        _ => {
            let data = json!({ "uri": uri });
            return Err(ErrorData::resource_not_found(
                "Resource not found",
                Some(data),
            ));
        }
    };
    Ok(ReadResourceResult::new(vec![contents]).into())
}
