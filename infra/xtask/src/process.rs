//! Programs that run during a task, and end with it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::Outcome;

const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// Dropping it stops the program.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Outcome<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.spawn().map(Self).map_err(|e| format!("{program} cannot be started: {e}").into())
    }

    /// The first line it prints. Later output is read and dropped: with the pipe closed, printing would fail.
    pub fn first_line(&mut self, timeout: Duration) -> Outcome<String> {
        let stdout = self.0.stdout.take().ok_or("the program has no standard output")?;
        let (sender, received) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        received.recv_timeout(timeout).map_err(|_| "the program stopped, or does not become ready".into())
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM first, so that it can clean up; the standard library itself can only kill.
        let terminated = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        if terminated.is_ok_and(|status| status.success()) {
            for _ in 0..STOP_TIMEOUT.as_millis() / PAUSE.as_millis() {
                if self.has_ended() {
                    return;
                }
                thread::sleep(PAUSE);
            }
        }
        // An error here means that it has ended, as wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
