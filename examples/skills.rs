//! A small MCP server that has a skill (SEP-2640), of two files.
//!
//! `cargo run --example skills -- --port 9005` serves `http://127.0.0.1:9005/mcp` for
//! modern (2026-07-28) and legacy clients. `--port 0` takes any free port and says which.

mod serve;

use std::{env, process::ExitCode};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        GetSkillRequestParams, GetSkillResult, Implementation, ListResourcesResult,
        ListSkillsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
        ReadResourceResult, ResourceContents, ServerCapabilities, ServerConfig, Skill,
        SkillFrontmatter, SkillResource, SkillResources,
    },
    service::RequestContext,
    transport::streamable_http_server::StreamableHttpServerConfig,
};

#[tokio::main]
async fn main() -> ExitCode {
    let config = StreamableHttpServerConfig::default();
    serve::serve("skills", 9005, env::args().skip(1), config, Skills).await
}

const NAME: &str = "weather-report";
const DESCRIPTION: &str = "Write a report of the weather in the style of this house";
const SKILL: &str = "skill://weather-report/SKILL.md";
const STYLE: &str = "skill://weather-report/references/style.md";

/// The text of the file with this URI.
fn file(uri: &str) -> Option<String> {
    match uri {
        SKILL => Some(format!(
            "---\nname: {NAME}\ndescription: {DESCRIPTION}\n---\n\nSee [the style](references/style.md).\n"
        )),
        STYLE => Some("Temperatures are in degrees Celsius.\n".to_owned()),
        _ => None,
    }
}

fn skill() -> Skill {
    let files = [SKILL, STYLE].map(|uri| {
        let text = file(uri).unwrap_or_default();
        SkillResource::from_bytes(uri, text.as_bytes())
    });
    let frontmatter = SkillFrontmatter::new(NAME, DESCRIPTION);
    Skill::new(SKILL, frontmatter, SkillResources::Files(files.to_vec()))
}

#[derive(Clone)]
struct Skills;

impl ServerHandler for Skills {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_resources()
            .enable_skills()
            .build();
        let info = Implementation::new("skills", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities).with_server_info(info)
    }

    async fn list_skills(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        Ok(ListSkillsResult::with_all_items(vec![skill()]))
    }

    async fn get_skill(
        &self,
        request: GetSkillRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        if request.uri == SKILL {
            return Ok(GetSkillResult::new(skill()));
        }
        let message = format!("no skill at {}", request.uri);
        Err(ErrorData::invalid_params(message, None))
    }

    /// Files of skills need not be in this list.
    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(Vec::new()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri;
        let text = file(&uri);
        let text = text.ok_or_else(|| ErrorData::resource_not_found("no such file", None))?;
        let contents = ResourceContents::text(text, uri).with_mime_type("text/markdown");
        Ok(ReadResourceResult::new(vec![contents]).into())
    }
}
