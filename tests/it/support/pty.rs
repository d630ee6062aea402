//! The console in a pseudo-terminal: keys go in, and the test waits for what the screen shows.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "shared by several tests, which take time"
)]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Variables of the machine that would change what is tested.
pub const NOT_INHERITED: &[&str] = &[
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "NO_COLOR",
    "QUARTERDECK_ENVIRONMENT",
    "QUARTERDECK_READ_ONLY",
    "QUARTERDECK_NO_TRIAL",
    "QUARTERDECK_LOG",
];

/// The directories in which a test keeps everything: the user's own are never touched.
pub fn homes(home: &Path) -> [(&'static str, PathBuf); 4] {
    let kinds = [
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_CACHE_HOME", "cache"),
    ];
    kinds.map(|(name, folder)| (name, home.join(folder)))
}

/// What has been drawn so far.
struct Drawn {
    parser: vt100::Parser,
    /// Nothing more will come.
    closed: bool,
}

#[derive(Clone)]
struct Shared(Arc<(Mutex<Drawn>, Condvar)>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Drawn> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something was drawn, at most until `deadline`.
    fn changed<'a>(&self, drawn: MutexGuard<'a, Drawn>, deadline: Instant) -> MutexGuard<'a, Drawn> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.0.1.wait_timeout(drawn, left).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A program in a pseudo-terminal. It is killed when this is dropped.
pub struct Console {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    shared: Shared,
    /// The terminal's modes before the program took it.
    modes: String,
}

/// Columns and rows.
pub type Size = (u16, u16);

fn size((cols, rows): Size) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn nonzero(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).expect("a terminal has rows and columns")
}

impl Console {
    /// Starts quarterdeck with these arguments, its files below `home`, and these variables too.
    pub fn start<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        home: &Path,
        at: Size,
        args: &[&str],
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        Self::run(env!("CARGO_BIN_EXE_quarterdeck"), home, at, args, variables)
    }

    /// Starts a shell that has jobs, in which `$CONSOLE` is quarterdeck with these arguments. Lines that
    /// are typed end in a line feed, which a terminal takes in raw mode too.
    pub fn shell(home: &Path, at: Size, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let console = format!("{} {}", env!("CARGO_BIN_EXE_quarterdeck"), args.join(" "));
        let own = [("CONSOLE", console.as_str()), ("PS1", "$ "), ("ENV", "")];
        let mut shell = Self::run("sh", home, at, &["-i"], own.iter().chain(variables).copied());
        shell.wait_for("$ ", Duration::from_secs(5));
        // Line editing would change the terminal's modes.
        shell.press("set +o emacs; set +o vi; echo ready\n");
        // The prompt after it, too: what is typed before the shell reads would stand above that prompt.
        let prompt = |screen: &str| screen.lines().last().is_some_and(|line| line.trim_end() == "$");
        shell.wait("the shell", Duration::from_secs(5), |screen| screen.contains("\nready") && prompt(screen));
        shell
    }

    /// Starts another program with these arguments.
    pub fn run<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        program: &str,
        home: &Path,
        at: Size,
        args: &[&str],
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let pty = native_pty_system().openpty(size(at)).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.cwd(home);
        NOT_INHERITED.iter().for_each(|name| command.env_remove(name));
        command.env("TERM", "xterm-256color");
        homes(home).iter().for_each(|(name, path)| command.env(name, path));
        variables.into_iter().for_each(|(name, value)| command.env(name, value));
        let modes = format!("{:?}", pty.master.get_termios());
        let child = pty.slave.spawn_command(command).expect("quarterdeck starts");
        let parser = vt100::Parser::new(nonzero(at.1), nonzero(at.0), 0);
        let shared = Shared(Arc::new((Mutex::new(Drawn { parser, closed: false }), Condvar::new())));
        let (reader, drawing) = (pty.master.try_clone_reader().expect("a reader"), shared.clone());
        std::thread::spawn(move || draw(reader, &drawing));
        let keys = pty.master.take_writer().expect("a writer");
        Self { child, master: pty.master, keys, shared, modes }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("a process")
    }

    /// Types keys.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("a terminal that takes keys");
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        self.shared.lock().parser.screen().contents()
    }

    /// Waits until the screen shows a text; the screen.
    pub fn wait_for(&self, text: &str, limit: Duration) -> String {
        self.wait(&format!("{text:?}"), limit, |screen| screen.contains(text))
    }

    /// Waits until a condition holds of the screen; the screen that it holds of.
    ///
    /// # Panics
    /// When it does not hold in time, with the whole screen.
    pub fn wait(&self, what: &str, limit: Duration, mut holds: impl FnMut(&str) -> bool) -> String {
        let deadline = Instant::now() + limit;
        let mut drawn = self.shared.lock();
        loop {
            let screen = drawn.parser.screen().contents();
            if holds(&screen) {
                return screen;
            }
            let over = if drawn.closed { Some("the program ended") } else { None };
            let over = over.or_else(|| (Instant::now() >= deadline).then_some("time is up"));
            if let Some(why) = over {
                drop(drawn);
                panic!("waited {limit:?} for {what}: {why}. The screen:\n{screen}\n(end of the screen)");
            }
            drawn = self.shared.changed(drawn, deadline);
        }
    }

    /// Presses keys again until a condition holds, waiting a little in between: a key that moves by
    /// one row may have to be pressed more than once.
    pub fn press_until(&mut self, keys: &str, what: &str, limit: Duration, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + limit;
        while !holds(&self.screen()) {
            self.press(keys);
            let before = Instant::now() + Duration::from_millis(300);
            let mut drawn = self.shared.lock();
            while !holds(&drawn.parser.screen().contents()) && Instant::now() < before {
                drawn = self.shared.changed(drawn, before);
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        self.wait(what, Duration::ZERO, holds)
    }

    /// Changes the size of the terminal.
    pub fn resize(&mut self, to: Size) {
        self.shared.lock().parser.set_size(nonzero(to.1), nonzero(to.0));
        self.master.resize(size(to)).expect("a terminal that takes a size");
    }

    /// Sends a signal to the program.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits until the program has ended; its exit code.
    pub fn wait_for_exit(&mut self, limit: Duration) -> u32 {
        let deadline = Instant::now() + limit;
        let mut drawn = self.shared.lock();
        while !drawn.closed {
            if Instant::now() >= deadline {
                let screen = drawn.parser.screen().contents();
                drop(drawn);
                panic!("waited {limit:?} for the end of the program. The screen:\n{screen}\n(end of the screen)");
            }
            drawn = self.shared.changed(drawn, deadline);
        }
        drop(drawn);
        self.child.wait().expect("an exit code").exit_code()
    }

    /// Asserts that the terminal is as it was before the program took it. Its modes are set back after the last
    /// byte that the program writes, so the screen may show the shell a moment earlier.
    pub fn assert_restored(&self) {
        let modes = || format!("{:?}", self.master.get_termios());
        let deadline = Instant::now() + Duration::from_secs(5);
        while modes() != self.modes && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let drawn = self.shared.lock();
        let screen = drawn.parser.screen();
        assert!(!screen.alternate_screen(), "the alternate screen was left:\n{}", screen.contents());
        assert!(!screen.hide_cursor(), "the cursor is shown again");
        assert!(!screen.bracketed_paste(), "bracketed paste is off");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert_eq!(modes(), self.modes, "cooked mode is back");
    }

    /// Whether the program has taken the terminal.
    pub fn assert_taken(&self) {
        let drawn = self.shared.lock();
        let screen = drawn.parser.screen();
        assert!(screen.alternate_screen() && screen.bracketed_paste(), "the console has the terminal");
        assert_ne!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse");
        let modes = format!("{:?}", self.master.get_termios());
        assert!(!modes.contains("ICANON") && self.modes.contains("ICANON"), "raw mode: {modes}");
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // One that has ended needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn draw(mut reader: Box<dyn Read + Send>, shared: &Shared) {
    let mut buffer = [0; 8192];
    loop {
        // Linux answers EIO where the other side is closed.
        let n = reader.read(&mut buffer).unwrap_or(0);
        let mut drawn = shared.lock();
        drawn.parser.process(&buffer[..n]);
        drawn.closed = n == 0;
        shared.0.1.notify_all();
        if n == 0 {
            return;
        }
    }
}

/// Sends a signal to a process.
pub fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().expect("sh");
    assert!(sent.success(), "kill -{name} {pid}");
}
