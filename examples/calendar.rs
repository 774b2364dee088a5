//! A small MCP server with one week of appointments, kept in memory and shared
//! by all clients.
//!
//! `cargo run --example calendar -- --port 9002` serves
//! `http://127.0.0.1:9002/mcp` for modern (2026-07-28) and legacy clients.
//! `--port 0` takes any free port and says which.

mod serve;

use std::{
    env,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::{
    Json, ServerHandler, handler::server::wrapper::Parameters, schemars, tool, tool_handler,
    tool_router, transport::streamable_http_server::StreamableHttpServerConfig,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[tokio::main]
async fn main() -> ExitCode {
    // Modern requests are answered in one JSON body, legacy sessions in events:
    // clients have to take both. `weather` answers all in events.
    let config = StreamableHttpServerConfig::default().with_json_response(true);
    let args = env::args().skip(1);
    serve::serve("calendar", 9002, args, config, Calendar::default()).await
}

/// Every event takes an hour.
const EVENT_MINUTES: u32 = 60;
/// Free slots are looked for in these, 09:00 to 17:00, in minutes of the day.
const WORK_START: u32 = 9 * 60;
const WORK_END: u32 = 17 * 60;
/// A client in a loop must not eat the memory.
const MAX_EVENTS: usize = 1000;

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

#[derive(Clone, Deserialize, Serialize, JsonSchema)]
struct Event {
    /// What the event is about.
    title: String,
    day: Day,
    // In this form text sorts as time does.
    /// When it starts, as HH:MM.
    #[schemars(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    time: String,
}

#[derive(Deserialize, JsonSchema)]
struct ListArgs {
    /// Only the events of this day; those of the whole week if left out.
    day: Option<Day>,
}

#[derive(Serialize, JsonSchema)]
struct Events {
    /// In the order of the week.
    events: Vec<Event>,
}

#[derive(Deserialize, JsonSchema)]
struct SlotArgs {
    day: Day,
    /// How long the slot must be.
    #[schemars(range(min = 1, max = 480))]
    minutes: u32,
}

#[derive(Serialize, JsonSchema)]
struct Slot {
    day: Day,
    start: String,
    end: String,
}

#[derive(Clone)]
struct Calendar {
    /// Sorted by day and time.
    events: Arc<Mutex<Vec<Event>>>,
}

impl Default for Calendar {
    fn default() -> Self {
        let event = |title: &str, day, time: &str| Event {
            title: title.to_owned(),
            day,
            time: time.to_owned(),
        };
        let events = vec![
            event("Stand-up", Day::Monday, "09:00"),
            event("Design review", Day::Wednesday, "14:00"),
            event("Demo", Day::Friday, "16:00"),
        ];
        Self {
            events: Arc::new(Mutex::new(events)),
        }
    }
}

#[tool_router]
impl Calendar {
    /// Lists the events of a day, or of the whole week.
    #[tool(
        title = "List events",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn list_events(&self, Parameters(ListArgs { day }): Parameters<ListArgs>) -> Json<Events> {
        let mut events = self.events().clone();
        events.retain(|event| day.is_none_or(|day| day == event.day));
        Json(Events { events })
    }

    /// Adds an event of one hour.
    #[tool(
        title = "Add an event",
        annotations(destructive_hint = false, open_world_hint = false)
    )]
    fn add_event(&self, Parameters(event): Parameters<Event>) -> Result<Json<Event>, String> {
        if minute_of_day(&event.time).is_none() {
            let time = event.time;
            return Err(format!(
                "`{time}` is not a time of day; write it like 09:30"
            ));
        }
        let mut events = self.events();
        if events.len() >= MAX_EVENTS {
            return Err(format!(
                "the calendar is full: it holds {MAX_EVENTS} events"
            ));
        }
        let end = (event.day, event.time.as_str());
        let place = events.partition_point(|other| (other.day, other.time.as_str()) <= end);
        events.insert(place, event.clone());
        Ok(Json(event))
    }

    /// Finds the first free time between 09:00 and 17:00 that is long enough.
    #[tool(
        title = "Find a free slot",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn find_free_slot(
        &self,
        Parameters(SlotArgs { day, minutes }): Parameters<SlotArgs>,
    ) -> Result<Json<Slot>, String> {
        if minutes == 0 {
            return Err("`minutes` must be at least 1".to_owned());
        }
        let events = self.events();
        let busy = events.iter().filter(|event| event.day == day);
        let mut start = WORK_START;
        for busy in busy.filter_map(|event| minute_of_day(&event.time)) {
            if busy.saturating_sub(start) >= minutes {
                break;
            }
            start = start.max(busy + EVENT_MINUTES);
        }
        if WORK_END.saturating_sub(start) < minutes {
            return Err(format!(
                "no {minutes} minutes are free on {day:?}; try another day or a shorter slot"
            ));
        }
        let clock = |minute| format!("{:02}:{:02}", minute / 60, minute % 60);
        Ok(Json(Slot {
            day,
            start: clock(start),
            end: clock(start + minutes),
        }))
    }
}

#[tool_handler(
    name = "calendar",
    instructions = "One week of appointments. Use `find_free_slot` before `add_event`."
)]
impl ServerHandler for Calendar {}

impl Calendar {
    /// A request that panicked must not end the service for all others, and no
    /// method here can leave the list half changed.
    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads HH:MM, and nothing but that.
fn minute_of_day(time: &str) -> Option<u32> {
    let number = |text: &str, end: u32| {
        // `parse` alone would take a sign too.
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>()
            .ok()
            .filter(|number| digits && *number < end)
    };
    let (hour, minute) = time.split_once(':')?;
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}
