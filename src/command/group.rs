//! What the operating system must do: process groups, and streams that can be left.

use std::io;
use std::process::{Child, Command, ExitStatus};

pub(super) use platform::{Interrupt, interruptible, watch_end};

/// A program and its process group, which are ended when this is dropped.
pub(super) struct Group {
    child: Child,
    awaited: bool,
}

impl Group {
    /// Starts a program in a group of its own.
    pub(super) fn spawn(command: &mut Command) -> io::Result<Self> {
        platform::own_group(command);
        Ok(Self { child: command.spawn()?, awaited: false })
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Asks all of the group to end.
    pub(super) fn terminate(&mut self) {
        platform::terminate(&mut self.child);
    }

    /// Ends all of the group.
    pub(super) fn kill(&mut self) {
        platform::kill(&self.child);
        // The program itself could have joined another group. That it has ended already is no failure.
        let _ = self.child.kill();
    }

    /// Ends what is left of the group and awaits the program.
    pub(super) fn end(&mut self) -> io::Result<ExitStatus> {
        self.kill();
        // From here on the number of the group may be given to another one.
        self.awaited = true;
        self.child.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.awaited {
            // Only after a panic or an error of its own, which is the one to be heard of.
            let _ = self.end();
        }
    }
}

#[cfg(unix)]
mod platform {
    use std::io::{self, PipeReader, PipeWriter, Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};
    use std::thread;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;
    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

    pub(super) fn own_group(command: &mut Command) {
        command.process_group(0);
    }

    pub(super) fn terminate(child: &mut Child) {
        signal(child, Signal::TERM);
    }

    pub(super) fn kill(child: &Child) {
        signal(child, Signal::KILL);
    }

    /// The program must not have been awaited: until then nobody else has the number of its group.
    fn signal(child: &Child, signal: Signal) {
        // That a group has ended already, or has only ended processes (EPERM on macOS), is no failure.
        let _ = kill_process_group(Pid::from_child(child), signal);
    }

    /// Calls `ended` from another thread when the program has ended. It is not awaited by this, so that the
    /// number of its group stays its own.
    pub(crate) fn watch_end(
        child: &Child,
        ended: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let pid = Pid::from_child(child);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        thread::Builder::new().name("end".to_owned()).spawn(move || {
            while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
            ended();
        })?;
        Ok(())
    }

    /// A stream that ends when its [`Interrupt`] is dropped, whoever else holds it open.
    pub(crate) struct Source<S> {
        stream: S,
        interrupted: PipeReader,
    }

    pub(crate) struct Interrupt(PipeWriter);

    pub(crate) fn interruptible<S>(stream: S) -> io::Result<(Source<S>, Interrupt)> {
        let (interrupted, interrupt) = io::pipe()?;
        Ok((Source { stream, interrupted }, Interrupt(interrupt)))
    }

    impl Drop for Interrupt {
        fn drop(&mut self) {
            // Closing alone would not be seen where a program that was started meanwhile has inherited the
            // pipe, which some systems cannot prevent.
            let _ = self.0.write_all(&[0]);
        }
    }

    impl<S: Read + AsFd> Read for Source<S> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            loop {
                let mut ready = [
                    PollFd::new(&self.stream, PollFlags::IN),
                    PollFd::new(&self.interrupted, PollFlags::IN),
                ];
                match poll(&mut ready, None) {
                    Ok(_) if !ready[1].revents().is_empty() => return Ok(0),
                    Ok(_) => return self.stream.read(buffer),
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

#[cfg(not(unix))]
mod platform {
    use std::io::{self, Read};
    use std::process::{Child, Command};

    pub(super) fn own_group(_: &mut Command) {}

    pub(super) fn terminate(child: &mut Child) {
        let _ = child.kill();
    }

    pub(super) fn kill(_: &Child) {}

    /// Nothing calls `ended` here: a program cannot be watched and killed at once.
    pub(crate) fn watch_end(_: &Child, _: impl FnOnce() + Send + 'static) -> io::Result<()> {
        Ok(())
    }

    /// A stream that cannot be left while somebody holds it open.
    pub(crate) struct Source<S>(S);

    pub(crate) struct Interrupt;

    pub(crate) fn interruptible<S>(stream: S) -> io::Result<(Source<S>, Interrupt)> {
        Ok((Source(stream), Interrupt))
    }

    impl<S: Read> Read for Source<S> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }
}
