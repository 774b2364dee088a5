//! Sends the same requests to several Envoys, in turns, and measures each of them.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::time::sleep;

use crate::Result;
use crate::client::Message;
use crate::cpu;
use crate::envoy::Envoy;
use crate::load::{self, Load};
use crate::mcp::SESSION;

/// The number of turns of each variant in a round. Turns are needed since the machine's speed
/// changes within a second by more than the differences between the variants.
const TURNS: usize = 10;

/// After the last response, Envoy still frees memory of the requests.
pub(crate) const SETTLE: Duration = Duration::from_millis(5);

/// The filters between the client and the upstream. The filters of the first three variants write
/// metadata only. Those of the last two also write filter state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Variant {
    Plain,
    Native,
    Ours,
    NativeBoth,
    OursBoth,
}

impl Variant {
    /// The variants of a benchmark that does not compare metadata with filter state.
    pub(crate) const THREE: [Self; 3] = [Self::Plain, Self::Native, Self::Ours];

    pub(crate) const ALL: [Self; 5] = [
        Self::Plain,
        Self::Native,
        Self::Ours,
        Self::NativeBoth,
        Self::OursBoth,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Native => "native",
            Self::Ours => "ours",
            Self::NativeBoth => "native, both",
            Self::OursBoth => "ours, both",
        }
    }

    /// Envoy's own filter that does the same; `None` where this is not our filter.
    pub(crate) fn native(self) -> Option<Self> {
        match self {
            Self::Ours => Some(Self::Native),
            Self::OursBoth => Some(Self::NativeBoth),
            Self::Plain | Self::Native | Self::NativeBoth => None,
        }
    }
}

/// One variant's turn in one round.
pub(crate) struct Round {
    pub(crate) variant: Variant,
    pub(crate) cpu_us: f64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
}

/// One value for each turn of the variant.
pub(crate) fn values(
    rounds: &[Vec<Round>],
    variant: Variant,
    value: impl Fn(&Round) -> f64,
) -> Vec<f64> {
    let turns = rounds.iter().flatten();
    turns
        .filter(|turn| turn.variant == variant)
        .map(value)
        .collect()
}

/// An Envoy, and the connections to it.
pub(crate) struct Target {
    variant: Variant,
    envoy: Envoy,
    load: Load,
    /// The session, which all requests to this Envoy name.
    session: Option<String>,
}

impl Target {
    pub(crate) async fn connect(
        variant: Variant,
        envoy: Envoy,
        connections: usize,
    ) -> Result<Self> {
        let load = Load::connect(envoy.listener(), connections).await?;
        Ok(Self {
            variant,
            envoy,
            load,
            session: None,
        })
    }

    /// Sends all requests in this session.
    pub(crate) fn within(mut self, session: Option<String>) -> Self {
        self.session = session;
        self
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.envoy.stop().await
    }

    pub(crate) fn variant(&self) -> Variant {
        self.variant
    }

    pub(crate) fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    /// Sends the message for this long, so that V8 has compiled all code that runs often.
    pub(crate) async fn warm_up(&mut self, message: &Message, time: Duration) -> Result<()> {
        const AT_ONCE: usize = 200;
        let start = Instant::now();
        while start.elapsed() < time {
            self.send(message, AT_ONCE).await?;
        }
        Ok(())
    }

    async fn turn(
        &mut self,
        message: &Message,
        requests: usize,
    ) -> Result<(Duration, Histogram<u64>)> {
        let before = cpu::used(self.envoy.pid())?;
        let latencies = self.send(message, requests).await?;
        sleep(SETTLE).await;
        Ok((
            cpu::used(self.envoy.pid())?.saturating_sub(before),
            latencies,
        ))
    }

    async fn send(&mut self, message: &Message, requests: usize) -> Result<Histogram<u64>> {
        let mut message = message.clone();
        if let Some(session) = &self.session {
            message = message.header(SESSION, session)?;
        }
        let sent = self.load.send(&message, requests).await;
        sent.map_err(|error| self.envoy.failure(&error.to_string()))
    }

    fn result(&self, cpu: Duration, latencies: &Histogram<u64>) -> Result<Round> {
        if cpu.is_zero() {
            let hint = "used no CPU: ENVOY must be the binary, or a script that execs it";
            return Err(self.envoy.failure(hint));
        }
        Ok(Round {
            variant: self.variant,
            cpu_us: cpu.as_secs_f64() * 1e6 / latencies.len() as f64,
            p50_us: latencies.value_at_quantile(0.5),
            p99_us: latencies.value_at_quantile(0.99),
        })
    }
}

/// Warms up all targets. Then gives, for each round, the turns of all of them.
pub(crate) async fn measure(
    targets: &mut [Target],
    message: &Message,
    warm_up: usize,
    requests: usize,
    rounds: usize,
) -> Result<Vec<Vec<Round>>> {
    for target in &mut *targets {
        let warm_up = warm_up.max(target.load.connections());
        target.send(message, warm_up).await?;
    }
    let mut measured = Vec::new();
    for _ in 0..rounds {
        measured.push(round(targets, message, requests).await?);
    }
    Ok(measured)
}

/// Sends the same number of requests to each target, in turns.
async fn round(targets: &mut [Target], message: &Message, requests: usize) -> Result<Vec<Round>> {
    let turn = async |target: &mut Target, share| target.turn(message, share).await;
    let totals = in_turns(targets, requests, turn).await?;
    let results = targets.iter().zip(totals);
    results
        .map(|(target, (cpu, latencies))| target.result(cpu, &latencies))
        .collect()
}

/// The CPU time of one or more turns, and the latencies of their requests.
pub(crate) type Total = (Duration, Histogram<u64>);

/// Gives each target the same number of requests, in turns.
pub(crate) async fn in_turns<T>(
    targets: &mut [T],
    requests: usize,
    mut turn_of: impl AsyncFnMut(&mut T, usize) -> Result<Total>,
) -> Result<Vec<Total>> {
    let mut totals = Vec::new();
    for _ in 0..targets.len() {
        totals.push((Duration::ZERO, load::latencies()?));
    }
    for turn in 0..TURNS {
        let share = requests * (turn + 1) / TURNS - requests * turn / TURNS;
        // Each turn starts with another variant, so that no variant always follows the same other
        // one.
        for position in 0..targets.len() {
            let index = (turn + position) % targets.len();
            let (cpu, latencies) = turn_of(&mut targets[index], share).await?;
            totals[index].0 += cpu;
            totals[index].1.add(latencies)?;
        }
    }
    Ok(totals)
}
