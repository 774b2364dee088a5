//! The memory of Envoy: for each worker, for sessions, for kept lists, and what it is for.

mod empty;
mod kept;
mod state;
mod workers;

use serde_json::json;

use crate::mappings::Mappings;
use crate::{Result, setup};

pub(crate) const NAME: &str = "memory";
pub(crate) const ABOUT: &str =
    "Envoy's memory: for each worker, for sessions, for kept lists, and what it is for";

pub(crate) async fn run() -> Result<()> {
    // Fails at once where the memory cannot be read.
    Mappings::of(std::process::id())?;
    let (binary, filter) = (setup::envoy_binary()?, setup::filter()?);
    let machine = setup::machine(&binary, &filter).await?;
    eprintln!("{NAME} 1/3: Envoys without requests");
    let idle = workers::measure(&binary, &filter).await?;
    eprintln!("{NAME} 2/3: sessions");
    let mut added = kept::sessions(&binary, &filter).await?;
    eprintln!("{NAME} 3/3: kept lists");
    added.extend(kept::lists(&binary, &filter).await?);

    println!("{}\n", workers::table(&idle));
    println!("{}\n", workers::parts(&idle));
    println!("{}", kept::table(&added));
    let document = json!({
        "benchmark": NAME,
        "machine": machine,
        "idle": idle.iter().map(workers::json).collect::<Vec<_>>(),
        "added": added.iter().map(kept::json).collect::<Vec<_>>(),
    });
    let path = setup::write_json(NAME, &document)?;
    eprintln!("{NAME}: wrote {}", path.display());
    Ok(())
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1}", bytes / 1e6)
}
