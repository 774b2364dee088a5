//! What the memory of a process is for, from its mappings in `/proc/PID/smaps`.

use std::fs;
use std::path::Path;

use crate::Result;

/// V8 reserves this much address space behind each linear memory, so that no address of WebAssembly
/// can leave it. Nothing else in Envoy reserves as much.
const GUARD_BYTES: u64 = 4 << 30;

/// The memory that is in RAM, in bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mappings {
    pub(crate) all: u64,
    /// The linear memory of each VM of WebAssembly.
    pub(crate) linear: Vec<u64>,
    /// Code that was compiled at run time: V8's.
    pub(crate) compiled: u64,
    /// Envoy's binary and the libraries, as far as they are loaded.
    pub(crate) files: u64,
}

impl Mappings {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let file = format!("/proc/{pid}/smaps");
        if !Path::new(&file).exists() {
            let what = "memory by purpose needs Linux, and a live Envoy";
            return Err(format!("{file} does not exist: {what}").into());
        }
        Ok(Self::read(&fs::read_to_string(file)?))
    }

    fn read(smaps: &str) -> Self {
        let mut all = Self::default();
        let mut before = None;
        for mapping in mappings(smaps) {
            all.all += mapping.resident;
            if !mapping.is_anonymous {
                all.files += mapping.resident;
            } else if mapping.may_execute {
                all.compiled += mapping.resident;
            }
            if !mapping.may_read
                && mapping.end - mapping.start >= GUARD_BYTES
                && let Some((end, resident)) = before
                && end == mapping.start
            {
                all.linear.push(resident);
            }
            let is_data = mapping.is_anonymous && mapping.may_read && !mapping.may_execute;
            before = is_data.then_some((mapping.end, mapping.resident));
        }
        all
    }

    pub(crate) fn all_linear(&self) -> u64 {
        self.linear.iter().sum()
    }
}

struct Mapping {
    start: u64,
    end: u64,
    may_read: bool,
    may_execute: bool,
    is_anonymous: bool,
    resident: u64,
}

/// A mapping has a line with its addresses, rights, offset, device, inode and file, and then lines
/// such as "Rss:   12 kB".
fn mappings(smaps: &str) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in smaps.lines() {
        if let Some(mapping) = begun(line) {
            mappings.push(mapping);
        } else if let Some(last) = mappings.last_mut()
            && let Some(rest) = line.strip_prefix("Rss:")
            && let Some(Ok(kilobytes)) = rest.split_whitespace().next().map(str::parse::<u64>)
        {
            last.resident = kilobytes * 1024;
        }
    }
    mappings
}

fn begun(line: &str) -> Option<Mapping> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let rights = words.next()?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    Some(Mapping {
        start: address(start)?,
        end: address(end)?,
        may_read: rights.starts_with('r'),
        may_execute: rights.contains('x'),
        is_anonymous: words.nth(2)? == "0",
        resident: 0,
    })
}
