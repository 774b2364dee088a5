//! Counters, gauges and histograms.

use super::host_calls;
use crate::host::abi::Status;
use crate::host::guest::{self, Answer};
use crate::host::state::HostState;
use std::collections::BTreeMap;
use wasmi::{Caller, Error, Linker};

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<(), Error> {
    host_calls! { linker:
        "proxy_define_metric" = define,
            (kind: u32, name: u32, name_size: u32, return_id: u32);
        "proxy_increment_metric" = increment, (id: u32, offset: i64);
        "proxy_record_metric" = record, (id: u32, value: u64);
        "proxy_get_metric" = get, (id: u32, return_value: u32);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The metrics of a plugin. Several ids with one name are one metric.
#[derive(Default)]
pub(in crate::host) struct Metrics {
    ids: Vec<(Kind, String)>,
    values: BTreeMap<String, u64>,
    samples: BTreeMap<String, Vec<u64>>,
}

impl Metrics {
    /// Counters and gauges by name. One that was never changed has the value 0.
    pub(in crate::host) fn values(&self) -> BTreeMap<String, u64> {
        self.values.clone()
    }

    /// The values that were recorded in a histogram.
    pub(in crate::host) fn samples(&self, name: &str) -> Vec<u64> {
        self.samples.get(name).cloned().unwrap_or_default()
    }

    /// Envoy keeps the kind in the two low bits of an id.
    fn find(&self, id: u32) -> Result<(Kind, &str), Status> {
        let (kind, name) = self.ids.get((id >> 2) as usize).ok_or(Status::NotFound)?;
        if *kind as u32 == id & 3 {
            Ok((*kind, name))
        } else {
            Err(Status::NotFound)
        }
    }

    fn value(&mut self, name: &str) -> &mut u64 {
        self.values.entry(name.to_owned()).or_default()
    }
}

fn define(
    caller: &mut Caller<'_, HostState>,
    kind: u32,
    name: u32,
    name_size: u32,
    return_id: u32,
) -> Answer {
    let name = guest::read_text(caller, name, name_size)?;
    let kind = match kind {
        0 => Kind::Counter,
        1 => Kind::Gauge,
        2 => Kind::Histogram,
        _ => return Err(Status::BadArgument.into()),
    };
    let metrics = &mut caller.data_mut().metrics;
    if kind != Kind::Histogram {
        metrics.value(&name);
    }
    let index = u32::try_from(metrics.ids.len()).map_err(|_| Status::InternalFailure)?;
    metrics.ids.push((kind, name));
    guest::write_number(caller, return_id, index << 2 | kind as u32)
}

fn increment(caller: &mut Caller<'_, HostState>, id: u32, offset: i64) -> Answer {
    let metrics = &mut caller.data_mut().metrics;
    let (kind, name) = metrics.find(id)?;
    let name = name.to_owned();
    let by = offset.unsigned_abs();
    match kind {
        // Envoy also refuses an increment of 0.
        Kind::Counter if offset <= 0 => return Err(Status::BadArgument.into()),
        Kind::Counter => *metrics.value(&name) += by,
        Kind::Gauge if offset < 0 => {
            let value = metrics.value(&name);
            *value = value.saturating_sub(by);
        }
        Kind::Gauge => *metrics.value(&name) += by,
        Kind::Histogram => return Err(Status::BadArgument.into()),
    }
    Ok(())
}

fn record(caller: &mut Caller<'_, HostState>, id: u32, value: u64) -> Answer {
    let metrics = &mut caller.data_mut().metrics;
    let (kind, name) = metrics.find(id)?;
    let name = name.to_owned();
    match kind {
        Kind::Counter => *metrics.value(&name) += value,
        Kind::Gauge => *metrics.value(&name) = value,
        Kind::Histogram => metrics.samples.entry(name).or_default().push(value),
    }
    Ok(())
}

fn get(caller: &mut Caller<'_, HostState>, id: u32, return_value: u32) -> Answer {
    let metrics = &mut caller.data_mut().metrics;
    let (kind, name) = metrics.find(id)?;
    let name = name.to_owned();
    if kind == Kind::Histogram {
        return Err(Status::BadArgument.into());
    }
    let value = *metrics.value(&name);
    guest::write(caller, return_value, &value.to_le_bytes())
}
