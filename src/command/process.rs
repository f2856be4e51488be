//! The program of a trial: started, listened to and ended.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::group::{Group, Interrupt, interruptible, watch_end};
use super::output::{Heard, Output, Tail};
use super::{CommandTemplate, Decision, Ending, Failure, Limits, Report, Run};
use crate::error::{Error, Result};
use crate::space::Configuration;

/// How often the wish to stop is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How long output is read on after the program has ended, where others hold it open: once before they are
/// killed and once after.
const DRAIN: Duration = Duration::from_millis(500);
/// How many reports wait for their decision before the program's output is read no further.
const WAITING: usize = 16;
/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// What the threads beside a program see.
enum Event {
    Heard(Heard),
    /// Standard output has no more to give.
    Output(Box<Output>),
    /// Standard error has no more to give.
    Errors(Tail),
    /// A stream cannot be read or not be copied.
    Broken(Error),
    /// The program itself has ended.
    Ended,
}

/// What ends a program before its time.
enum Verdict {
    Ending(Ending),
    Error(Error),
}

impl CommandTemplate {
    /// Runs the program with a configuration's values and waits for its end.
    ///
    /// `report` is called for each intermediate report in turn. While it decides, neither the time nor `stop`
    /// is looked at. When `stop` becomes true, the program is ended and the trial is
    /// [`Ending::Interrupted`]. When this returns, no process of the program's group is left, unless the
    /// operating system refuses to end it.
    ///
    /// What goes wrong in the program is a [`Failure`] and no error.
    ///
    /// # Errors
    ///
    /// As [`CommandTemplate::arguments`]; [`Error::Setting`] where [`Limits::objectives`] is 0; [`Error::Io`]
    /// where the files of [`Limits::output`] cannot be written, or the program's output or end cannot be
    /// awaited; what `report` returns. The program has been ended then.
    pub fn run(
        &self,
        trial: u64,
        configuration: &Configuration,
        limits: &Limits,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Report) -> Result<Decision>,
    ) -> Result<Run> {
        if limits.objectives == 0 {
            return Err(Error::setting("command", "objectives", "at least 1", 0));
        }
        let mut command =
            self.command(trial, configuration, std::env::vars_os().map(|(name, _)| name))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = PathBuf::from(command.get_program());
        let out = Copy::create(limits.output.as_deref(), trial, "out")?;
        let err = Copy::create(limits.output.as_deref(), trial, "err")?;
        let begun = Instant::now();
        let mut group = match Group::spawn(&mut command) {
            Ok(group) => group,
            Err(error) => {
                let program = program.display().to_string();
                let failure = Failure::NotStarted { program, reason: error.to_string() };
                return Ok(Run {
                    ending: Ending::Failed(failure),
                    attributes: Default::default(),
                    errors: String::new(),
                    duration: begun.elapsed(),
                });
            }
        };
        let (sender, events) = sync_channel(WAITING);
        let interrupts = listen(&mut group, &program, [out, err], limits.objectives, sender)?;
        let mut heard = Listening { output: None, errors: None };
        let verdict = heard.until_the_end(&mut group, &events, limits, begun, stop, report);
        drop(interrupts);
        heard.last_words(&events);
        let status = group.end().map_err(Error::io(&program))?;
        let output = heard.output.unwrap_or_else(|| Box::new(Output::new(limits.objectives)));
        let (result, attributes) = output.into_result();
        let ending = match verdict {
            Some(Verdict::Error(error)) => return Err(error),
            Some(Verdict::Ending(ending)) => ending,
            None if !status.success() => Ending::Failed(Failure::Exit(status)),
            None => result.map_or_else(Ending::Failed, Ending::Complete),
        };
        Ok(Run {
            ending,
            attributes,
            errors: heard.errors.map(Tail::into_text).unwrap_or_default(),
            duration: begun.elapsed(),
        })
    }
}

/// What has been heard of a program.
struct Listening {
    output: Option<Box<Output>>,
    errors: Option<Tail>,
}

impl Listening {
    /// Listens until the program has ended and its output is read, or is held open by somebody out of
    /// reach. Says what ended the program before its time.
    fn until_the_end(
        &mut self,
        group: &mut Group,
        events: &Receiver<Event>,
        limits: &Limits,
        begun: Instant,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Report) -> Result<Decision>,
    ) -> Option<Verdict> {
        let deadline = limits.timeout.and_then(|timeout| begun.checked_add(timeout));
        let mut verdict = None;
        let mut asked = false;
        let mut ended = false;
        let mut kill_at: Option<Instant> = None;
        let mut leave_at: Option<Instant> = None;
        while !(ended && self.output.is_some() && self.errors.is_some()) {
            let now = Instant::now();
            let is_over = |moment: Option<Instant>| moment.is_some_and(|moment| moment <= now);
            if verdict.is_none() && !ended {
                if stop.load(Ordering::Relaxed) {
                    verdict = Some(Verdict::Ending(Ending::Interrupted));
                } else if let Some(timeout) = limits.timeout.filter(|_| is_over(deadline)) {
                    verdict = Some(Verdict::Ending(Ending::Failed(Failure::Timeout(timeout))));
                }
            }
            if verdict.is_some() && !asked {
                group.terminate();
                asked = true;
                kill_at = kill_at.or_else(|| now.checked_add(limits.grace));
            }
            if is_over(kill_at) && leave_at.is_none() {
                group.kill();
                leave_at = ended.then(|| now + DRAIN);
            }
            if is_over(leave_at) {
                break;
            }
            let wake = [deadline, kill_at, leave_at]
                .into_iter()
                .flatten()
                .filter(|moment| *moment > now)
                .fold(now + POLL, Instant::min);
            match events.recv_timeout(wake - now) {
                Ok(Event::Output(output)) => self.output = Some(output),
                Ok(Event::Errors(errors)) => self.errors = Some(errors),
                Ok(Event::Ended) => ended = true,
                Ok(_) if verdict.is_some() => {}
                Ok(Event::Broken(error)) => verdict = Some(Verdict::Error(error)),
                Ok(Event::Heard(heard)) => verdict = decide(heard, report),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            #[cfg(not(unix))]
            {
                ended |= group.child().try_wait().is_ok_and(|status| status.is_some());
            }
            if ended {
                kill_at = kill_at.or(Some(Instant::now() + DRAIN));
            }
        }
        verdict
    }

    /// What the threads have read when they are interrupted.
    fn last_words(&mut self, events: &Receiver<Event>) {
        while self.output.is_none() || self.errors.is_none() {
            match events.recv_timeout(DRAIN) {
                Ok(Event::Output(output)) => self.output = Some(output),
                Ok(Event::Errors(errors)) => self.errors = Some(errors),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
}

fn decide(heard: Heard, report: &mut dyn FnMut(Report) -> Result<Decision>) -> Option<Verdict> {
    match heard {
        Heard::Refused(failure) => Some(Verdict::Ending(Ending::Failed(failure))),
        Heard::Report(said) => {
            let step = said.step;
            match report(said) {
                Ok(Decision::Continue) => None,
                Ok(Decision::Prune) => Some(Verdict::Ending(Ending::Pruned { step })),
                Err(error) => Some(Verdict::Error(error)),
            }
        }
    }
}

/// Sets threads to listen to a program. They end with their streams, or when the interrupts are dropped.
fn listen(
    group: &mut Group,
    program: &Path,
    [out, err]: [Option<Copy>; 2],
    objectives: usize,
    events: SyncSender<Event>,
) -> Result<Vec<Interrupt>> {
    let child = group.child();
    let mut interrupts = Vec::new();
    if let Some(stream) = child.stdout.take() {
        let (source, interrupt) = interruptible(stream).map_err(Error::io(program))?;
        interrupts.push(interrupt);
        let (events, program) = (events.clone(), program.to_owned());
        spawn("output", &program.clone(), move || {
            let mut output = Box::new(Output::new(objectives));
            // A send fails where nobody waits for the end of this program any more.
            let mut heard = |heard| drop(events.send(Event::Heard(heard)));
            let read = pump(source, &program, out, |bytes| output.push(bytes, &mut heard));
            output.end(&mut heard);
            conclude(&events, read, Event::Output(output));
        })?;
    }
    if let Some(stream) = child.stderr.take() {
        let (source, interrupt) = interruptible(stream).map_err(Error::io(program))?;
        interrupts.push(interrupt);
        let (events, program) = (events.clone(), program.to_owned());
        spawn("errors", &program.clone(), move || {
            let mut tail = Tail::default();
            let read = pump(source, &program, err, |bytes| tail.push(bytes));
            conclude(&events, read, Event::Errors(tail));
        })?;
    }
    watch_end(child, move || drop(events.send(Event::Ended))).map_err(Error::io(program))?;
    Ok(interrupts)
}

fn spawn(name: &str, program: &Path, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(Error::io(program))
}

fn conclude(events: &SyncSender<Event>, read: Result<()>, last: Event) {
    if let Err(error) = read {
        let _ = events.send(Event::Broken(error));
    }
    let _ = events.send(last);
}

/// Reads a stream to its end, copies it and hands it on.
fn pump(
    mut source: impl Read,
    program: &Path,
    mut copy: Option<Copy>,
    mut take: impl FnMut(&[u8]),
) -> Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = match source.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::io(program)(error)),
        };
        if let Some(copy) = &mut copy {
            copy.file.write_all(&chunk[..length]).map_err(Error::io(&copy.path))?;
        }
        take(&chunk[..length]);
    }
}

/// A file that keeps what a stream says.
struct Copy {
    path: PathBuf,
    file: File,
}

impl Copy {
    fn create(directory: Option<&Path>, trial: u64, extension: &str) -> Result<Option<Self>> {
        let Some(directory) = directory else { return Ok(None) };
        std::fs::create_dir_all(directory).map_err(Error::io(directory))?;
        let path = directory.join(format!("{trial}.{extension}"));
        let file = File::create(&path).map_err(Error::io(&path))?;
        Ok(Some(Self { path, file }))
    }
}
