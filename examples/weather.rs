//! A small MCP server that knows the weather of a few cities: every day the same.
//!
//! `cargo run --example weather -- --port 9001` serves
//! `http://127.0.0.1:9001/mcp` for modern (2026-07-28) and legacy clients.
//! `--port 0` takes any free port and says which.

mod serve;

use std::{env, process::ExitCode};

use rmcp::{
    Json, ServerHandler, handler::server::wrapper::Parameters, schemars, tool, tool_handler,
    tool_router, transport::streamable_http_server::StreamableHttpServerConfig,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[tokio::main]
async fn main() -> ExitCode {
    // By default every answer is an event stream: see `calendar` for the other way.
    let config = StreamableHttpServerConfig::default();
    serve::serve("weather", 9001, env::args().skip(1), config, Weather).await
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Sky {
    Sunny,
    PartlyCloudy,
    Cloudy,
    Rain,
    Snow,
}

#[derive(Clone, Serialize, JsonSchema)]
struct Report {
    city: &'static str,
    country: &'static str,
    celsius: i32,
    humidity_percent: u32,
    sky: Sky,
}

const REPORTS: [Report; 6] = [
    report("Berlin", "Germany", 14, 62, Sky::PartlyCloudy),
    report("Cairo", "Egypt", 31, 24, Sky::Sunny),
    report("Lima", "Peru", 19, 83, Sky::Cloudy),
    report("Reykjavik", "Iceland", -2, 78, Sky::Snow),
    report("Seattle", "United States", 11, 88, Sky::Rain),
    report("Tokyo", "Japan", 22, 57, Sky::Sunny),
];

const fn report(
    city: &'static str,
    country: &'static str,
    celsius: i32,
    humidity_percent: u32,
    sky: Sky,
) -> Report {
    Report {
        city,
        country,
        celsius,
        humidity_percent,
        sky,
    }
}

#[derive(Deserialize, JsonSchema)]
struct WeatherArgs {
    /// Name of the city, such as "Berlin"; see `list_cities`.
    city: String,
}

#[derive(Deserialize, JsonSchema)]
struct ForecastArgs {
    /// Name of the city, such as "Berlin"; see `list_cities`.
    city: String,
    /// How many days to look ahead.
    #[schemars(range(min = 1, max = 7))]
    days: u32,
}

#[derive(Serialize, JsonSchema)]
struct Forecast {
    city: &'static str,
    /// One entry a day, tomorrow first.
    days: Vec<Day>,
}

#[derive(Serialize, JsonSchema)]
struct Day {
    low_celsius: i32,
    high_celsius: i32,
    sky: Sky,
}

#[derive(Serialize, JsonSchema)]
struct Cities {
    cities: Vec<&'static str>,
}

#[derive(Clone)]
struct Weather;

#[tool_router]
impl Weather {
    /// Tells the weather in a city right now.
    #[tool(
        title = "Current weather",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn get_weather(
        &self,
        Parameters(WeatherArgs { city }): Parameters<WeatherArgs>,
    ) -> Result<Json<Report>, String> {
        find(&city).cloned().map(Json)
    }

    /// Tells the weather in a city for the next 1 to 7 days.
    #[tool(
        title = "Weather forecast",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn get_forecast(
        &self,
        Parameters(ForecastArgs { city, days }): Parameters<ForecastArgs>,
    ) -> Result<Json<Forecast>, String> {
        let today = find(&city)?;
        let count = match days {
            1..=7 => days as usize,
            _ => return Err(format!("`days` must be 1 to 7, not {days}")),
        };
        let skies = [Sky::Sunny, Sky::PartlyCloudy, Sky::Cloudy, Sky::Rain];
        let drifts = [1, 3, 0, -2, -3, -1, 2];
        let days = drifts.into_iter().zip(skies.into_iter().cycle());
        let days = days.take(count).map(|(drift, sky)| Day {
            low_celsius: today.celsius + drift - 4,
            high_celsius: today.celsius + drift + 4,
            sky,
        });
        Ok(Json(Forecast {
            city: today.city,
            days: days.collect(),
        }))
    }

    /// Lists the cities the other tools know.
    #[tool(
        title = "Known cities",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn list_cities(&self) -> Json<Cities> {
        Json(Cities { cities: names() })
    }
}

#[tool_handler(
    name = "weather",
    instructions = "Weather for a handful of cities. Start with `list_cities`."
)]
impl ServerHandler for Weather {}

fn names() -> Vec<&'static str> {
    REPORTS.iter().map(|report| report.city).collect()
}

/// The error is for the model that asked: it says which names would have worked.
fn find(city: &str) -> Result<&'static Report, String> {
    let city = city.trim();
    REPORTS
        .iter()
        .find(|report| report.city.eq_ignore_ascii_case(city))
        .ok_or_else(|| format!("no weather for `{city}`; try {}", names().join(", ")))
}
