//! A process that uses MCP over its stdin and stdout (MCP, "Transports", stdio).

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::lock;
use super::message::WireMessage;
use super::pending_requests::{Delivered, PendingRequests};
use crate::config_file::stdio_server::StdioServer;
use crate::run::log::RunLog;
use crate::run::watchdog::{Watchdog, WatchedGroup};

/// The longest message that a process may write.
const MAX_MESSAGE: u64 = 64 << 20;
/// The most bytes of a line on stderr that are logged.
const MAX_LOG_LINE: u64 = 4096;
/// The most messages that may wait until the process reads them.
const MAX_UNREAD: usize = 1024;
/// How long a client may read nothing, while too many messages wait for it.
const READ_TIME_LIMIT: Duration = Duration::from_secs(2);
/// How long a process may take to end after each step that asks it to end.
const END_TIME_LIMIT: Duration = Duration::from_secs(2);

/// A running process.
pub(super) struct ServerProcess {
    pub(super) pending: Arc<PendingRequests>,
    pub(super) started: Instant,
    /// `None` after the process was asked to end.
    stdin: Mutex<Option<mpsc::Sender<String>>>,
    /// Whether the process has sent a message.
    has_spoken: watch::Receiver<bool>,
    /// When and why the process has ended.
    ended: watch::Receiver<Option<(Instant, String)>>,
    group: Arc<WatchedGroup>,
}

impl ServerProcess {
    /// Starts the process of `server`. Its messages go to the clients of `pending`, and its stderr goes to `log`.
    ///
    /// # Errors
    /// It cannot be started. The text says why.
    pub(super) fn start(
        server: &StdioServer,
        pending: Arc<PendingRequests>,
        log: &RunLog,
        watchdog: &Watchdog,
    ) -> Result<Arc<Self>, String> {
        let failed = |error: &io::Error| cannot_start(server, error);
        let mut child = command(server).spawn().map_err(|error| failed(&error))?;
        let group = Arc::new(watchdog.watch(child.id().unwrap_or_default()));
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(&io::ErrorKind::BrokenPipe.into()));
        };
        let (to_stdin, lines) = mpsc::channel(MAX_UNREAD);
        let (sender, ended) = watch::channel(None);
        let (spoken, has_spoken) = watch::channel(false);
        let said = Arc::new(Mutex::new(String::new()));
        let reader = read(
            stdout,
            server.name.clone(),
            Arc::clone(&pending),
            to_stdin.downgrade(),
            spoken,
            log.clone(),
        );
        let reader = tokio::spawn(reader);
        let errors = tokio::spawn(log_lines(
            stderr,
            server.name.clone(),
            log.clone(),
            Arc::clone(&said),
        ));
        let process = Arc::new(Self {
            pending: Arc::clone(&pending),
            started: Instant::now(),
            has_spoken,
            stdin: Mutex::new(Some(to_stdin)),
            ended,
            group: Arc::clone(&group),
        });
        let (name, log) = (server.name.clone(), log.clone());
        tokio::spawn(async move {
            // Afterwards, no message can be sent to the process. So each request that was sent is
            // registered before `pending` ends, and ends, too.
            let status = wait(&mut child, reader, write(stdin, lines)).await;
            // The processes that this process started end with it, and then stderr ends.
            group.signal(Signal::TERM);
            let _ = timeout(END_TIME_LIMIT, errors).await;
            group.signal(Signal::KILL);
            let said = lock(&said).clone();
            let reason = reason(&status, &said);
            log.line(&name, &format!("(the process {reason})"));
            pending.end(&reason);
            group.has_ended();
            sender.send_replace(Some((Instant::now(), reason)));
        });
        Ok(process)
    }

    /// Sends `message` to the process.
    ///
    /// # Errors
    /// The process has ended. The text says why.
    pub(super) async fn send(&self, message: &WireMessage) -> Result<(), String> {
        let stdin = lock(&self.stdin).clone();
        let sent = match stdin {
            Some(stdin) => stdin.send(message.line()).await.is_ok(),
            None => false,
        };
        if sent {
            Ok(())
        } else {
            Err(self.why_ended().await)
        }
    }

    /// Sends `message` if the process can take it now. Otherwise nothing is sent.
    pub(super) fn try_send(&self, message: &WireMessage) {
        let stdin = lock(&self.stdin);
        if let Some(stdin) = stdin.as_ref() {
            let _ = stdin.try_send(message.line());
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        let is_asked_to_end = lock(&self.stdin).is_none();
        !is_asked_to_end && self.ended.borrow().is_none()
    }

    /// Waits until the process has sent its first message, or until `limit` since its start: some
    /// servers send nothing before `initialize`. Gives `false` if the process has ended.
    pub(super) async fn has_spoken(&self, limit: Duration) -> bool {
        let (mut has_spoken, mut ended) = (self.has_spoken.clone(), self.ended.clone());
        tokio::select! {
            _ = ended.wait_for(Option::is_some) => false,
            // The sender is dropped when stdout ends, shortly before the process ends.
            Ok(_) = has_spoken.wait_for(|spoken| *spoken) => true,
            () = sleep(limit.saturating_sub(self.started.elapsed())) => true,
        }
    }

    /// Waits until the process has ended. Gives the reason, as a part of a sentence.
    pub(super) async fn why_ended(&self) -> String {
        let mut ended = self.ended.clone();
        // An error means that `run` itself is ending.
        let _ = ended.wait_for(Option::is_some).await;
        self.ended()
            .map_or_else(|| "is ending".to_owned(), |(_, reason)| reason)
    }

    /// When and why the process has ended, if it has. The reason is a part of a sentence.
    pub(super) fn ended(&self) -> Option<(Instant, String)> {
        self.ended.borrow().clone()
    }

    /// Asks the process to end, and kills it if it does not (MCP, "Lifecycle", shutdown over
    /// stdio).
    pub(super) async fn end(&self) {
        drop(lock(&self.stdin).take());
        let mut ended = self.ended.clone();
        for signal in [Signal::TERM, Signal::KILL] {
            let end = ended.wait_for(Option::is_some);
            if timeout(END_TIME_LIMIT, end).await.is_ok() {
                return;
            }
            self.group.signal(signal);
        }
        let _ = ended.wait_for(Option::is_some).await;
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // This closes its stdin, too.
        if self.ended.borrow().is_none() {
            self.group.signal(Signal::TERM);
        }
    }
}

/// The command that starts the process of `server`.
fn command(server: &StdioServer) -> Command {
    let mut command = Command::new(&server.command);
    command
        .args(&server.args)
        .envs(server.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Programs such as npx start the server as their own child. The group makes sure that all
        // of them end together.
        .process_group(0)
        .kill_on_drop(true);
    if let Some(directory) = &server.cwd {
        command.current_dir(directory);
    }
    command
}

/// Waits for the end of the process and of its output, while `writer` writes its input. A process
/// that has closed its stdin or its stdout cannot be used any more.
async fn wait(
    child: &mut Child,
    mut reader: JoinHandle<()>,
    writer: impl Future<Output = io::Result<()>>,
) -> io::Result<ExitStatus> {
    tokio::select! {
        // Without an error, `run` itself has closed stdin.
        Err(_) = writer => {}
        status = child.wait() => {
            let _ = timeout(END_TIME_LIMIT, &mut reader).await;
            reader.abort();
            return status;
        }
        _ = &mut reader => {}
    }
    match timeout(END_TIME_LIMIT, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            let _ = child.start_kill();
            child.wait().await
        }
    }
}

async fn write(mut stdin: ChildStdin, mut lines: mpsc::Receiver<String>) -> io::Result<()> {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        stdin.write_all(line.as_bytes()).await?;
        stdin.flush().await?;
    }
    Ok(())
}

/// Delivers the messages on stdout, each on a line of its own.
async fn read(
    stdout: ChildStdout,
    name: String,
    pending: Arc<PendingRequests>,
    stdin: mpsc::WeakSender<String>,
    spoken: watch::Sender<bool>,
    log: RunLog,
) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    while read_line(&mut stdout, MAX_MESSAGE, &mut line).await {
        if line.len() >= usize::try_from(MAX_MESSAGE).unwrap_or(usize::MAX) {
            log.line(&name, "(a message of the process is longer than 64 MiB)");
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let messages = WireMessage::of_line(&text);
        if messages.is_empty() {
            // Some programs print a greeting on stdout, where the specification allows only
            // messages.
            if !text.trim().is_empty() {
                log.line(
                    &name,
                    &format!("(on stdout, no JSON-RPC message) {}", shortened(&text)),
                );
            }
            continue;
        }
        spoken.send_replace(true);
        for message in messages {
            if let Some(response) = deliver(&pending, message).await
                && let Some(stdin) = stdin.upgrade()
            {
                let _ = stdin.try_send(response);
            }
        }
    }
}

/// Delivers a message when its client can take it. A client that does not read loses its stream.
/// Returns the response to a request that no client can answer.
async fn deliver(pending: &PendingRequests, mut message: WireMessage) -> Option<String> {
    loop {
        match pending.deliver(message) {
            Delivered::Done => return None,
            Delivered::Refused(response) => return Some(response),
            Delivered::Full(sender, waiting) => {
                match timeout(READ_TIME_LIMIT, sender.reserve()).await {
                    Ok(Ok(place)) => {
                        place.send(Ok(waiting));
                        return None;
                    }
                    _ => pending.close(&sender),
                }
                message = waiting;
            }
        }
    }
}

/// Writes each line of `stream` to the log. `last` becomes the last line that is not blank.
async fn log_lines(
    stream: impl AsyncRead + Unpin,
    name: String,
    log: RunLog,
    last: Arc<Mutex<String>>,
) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while read_line(&mut stream, MAX_LOG_LINE, &mut line).await {
        let text = shortened(&String::from_utf8_lossy(&line));
        log.line(&name, &text);
        if text.chars().any(char::is_alphanumeric) {
            *lock(&last) = text;
        }
    }
}

/// Reads the next line into `line`, at most `limit` bytes of it. Gives `false` at the end of
/// `stream`.
async fn read_line(
    stream: &mut (impl AsyncBufRead + Unpin),
    limit: u64,
    line: &mut Vec<u8>,
) -> bool {
    line.clear();
    let read = stream.take(limit).read_until(b'\n', line).await;
    read.is_ok_and(|bytes| bytes > 0)
}

/// The text without line feeds and other control characters.
fn shortened(text: &str) -> String {
    let limit = usize::try_from(MAX_LOG_LINE).unwrap_or(usize::MAX);
    text.trim_end()
        .chars()
        .filter(|c| !c.is_control())
        .take(limit)
        .collect()
}

/// The reason why a process has ended, as a part of a sentence. `said` is its last line on stderr.
fn reason(status: &io::Result<ExitStatus>, said: &str) -> String {
    let is_success = status.as_ref().is_ok_and(ExitStatus::success);
    let status = match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    if said.is_empty() || is_success {
        format!("ended ({status})")
    } else {
        let said: String = said.chars().take(200).collect();
        format!("ended ({status}); its last output: {said}")
    }
}

fn cannot_start(server: &StdioServer, error: &io::Error) -> String {
    let command = &server.command;
    if let Some(directory) = server.cwd.as_ref().filter(|directory| !directory.is_dir()) {
        return format!("cwd {} is no directory", directory.display());
    }
    if error.kind() != io::ErrorKind::NotFound {
        return format!("{command} cannot be started: {error}");
    }
    let from = match command.rsplit('/').next() {
        Some("npx" | "node" | "npm") => "; it comes with Node.js, https://nodejs.org",
        Some("uvx" | "uv") => "; install it from https://docs.astral.sh/uv",
        Some("docker") => "; it comes with Docker",
        Some("bunx" | "bun") => "; it comes with Bun, https://bun.sh",
        Some("deno") => "; it comes with Deno, https://deno.com",
        _ => "; is it installed, and in PATH?",
    };
    format!("{command} is not found{from}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::run::stdio::server::ask;

    /// A process of a shell that runs `script`.
    fn start(script: &str) -> Arc<ServerProcess> {
        let server = StdioServer {
            name: "a".to_owned(),
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: Vec::new(),
            cwd: None,
        };
        let log = RunLog::open(Path::new("/dev/null")).unwrap();
        let watchdog = Watchdog::idle().unwrap();
        ServerProcess::start(&server, Arc::default(), &log, &watchdog).unwrap()
    }

    fn request() -> Option<WireMessage> {
        WireMessage::parse(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn each_request_ends_with_the_process_whenever_it_is_sent() {
        let expected = Err("ended (exit status: 7)".to_owned());
        for round in 0..200 {
            let process = start("read line; exit 7");
            let asked: Vec<_> = (0..8)
                .map(|number| {
                    let process = Arc::clone(&process);
                    tokio::spawn(async move {
                        sleep(Duration::from_micros(number * 37 * (round % 50))).await;
                        ask(&process, request()).await.map(|answer| answer.line())
                    })
                })
                .collect();
            for asked in asked {
                assert_eq!(asked.await.unwrap(), expected);
            }
        }
    }

    #[tokio::test]
    async fn a_process_that_has_ended_takes_no_messages() {
        let process = start("exit 7");
        let mut ended = process.ended.clone();
        ended.wait_for(Option::is_some).await.unwrap();
        let expected = Err("ended (exit status: 7)".to_owned());
        assert_eq!(process.send(&request().unwrap()).await, expected);
    }
}
