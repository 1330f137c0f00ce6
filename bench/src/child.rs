//! Servers as processes of their own, so that their processor time and memory can be told from the load's.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that was started and is killed when this is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts `program` with `args`; it says `ready ADDRESS` on its first line.
    pub fn start(program: &Path, args: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(program).args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("ready ").and_then(|address| address.parse().ok());
        match address {
            Some(address) => Ok(Self { child, address }),
            None => {
                let _ = child.kill();
                Err(io::Error::other(format!("{}: said {line:?} instead of its address", program.display())))
            }
        }
    }

    pub fn cpu(&self) -> io::Result<Duration> {
        cpu_of(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running `domicile up` on fresh data.
pub struct Up {
    child: Child,
    pub base: u16,
    /// From the start of the process to `domicile is ready`.
    pub ready: Duration,
    demo: serde_json::Value,
}

impl Up {
    pub fn start(program: &Path, data: &Path, base: u16) -> io::Result<Self> {
        let began = Instant::now();
        let mut child = Command::new(program)
            .args(["up", "--port-base", &base.to_string(), "--data"])
            .arg(data)
            .env("DOMICILE_LOG", "error")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let is_ready = lines.any(|line| line.is_ok_and(|line| line == "domicile is ready"));
        let ready = began.elapsed();
        if !is_ready {
            let _ = child.kill();
            return Err(io::Error::other("`domicile up` ended before it was ready"));
        }
        // Nobody reads on: what it prints later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let demo = serde_json::from_slice(&std::fs::read(data.join("demo.json"))?)?;
        Ok(Self { child, base, ready, demo })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn workspace(&self) -> &serde_json::Value {
        let region = &self.demo["regions"]["eu-west"]["workspaces"];
        region.as_object().and_then(|all| all.values().next()).unwrap_or(&serde_json::Value::Null)
    }

    /// The write key and id of the first region's `server` source.
    pub fn key(&self) -> String {
        self.workspace()["sources"]["server"]["writeKey"].as_str().unwrap_or_default().to_owned()
    }

    pub fn source_id(&self) -> String {
        self.workspace()["sources"]["server"]["id"].as_str().unwrap_or_default().to_owned()
    }

    pub fn token(&self) -> String {
        self.demo["regions"]["eu-west"]["token"].as_str().unwrap_or_default().to_owned()
    }

    pub fn cell(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base + 200))
    }

    pub fn ingest(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base + 201))
    }

    pub fn cpu(&self) -> io::Result<Duration> {
        cpu_of(self.child.id())
    }

    /// Processor time of its threads whose names end so, for example ` ledger`. The kernel keeps 15 bytes of a name.
    pub fn cpu_of_threads(&self, ends: &[&str]) -> io::Result<Duration> {
        let mut cpu = Duration::ZERO;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let thread = thread?.path();
            let name = std::fs::read_to_string(thread.join("comm")).unwrap_or_default();
            if ends.iter().any(|end| name.trim_end().contains(end)) {
                cpu += ticks_in(&thread.join("stat")).unwrap_or_default();
            }
        }
        Ok(cpu)
    }

    /// Stops it in order and waits for its end.
    pub fn stop(self) -> io::Result<()> {
        self.stop_and_count().map(drop)
    }

    /// Stops it in order, waits for its end, and gives all the processor time that it took (to the last 5 ms).
    pub fn stop_and_count(mut self) -> io::Result<Duration> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let mut cpu = Duration::ZERO;
        while self.child.try_wait()?.is_none() {
            // Once it has ended there is nothing more to read.
            cpu = self.cpu().map_or(cpu, |now| now.max(cpu));
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(cpu)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process and all its threads.
pub fn cpu_of(pid: u32) -> io::Result<Duration> {
    ticks_in(Path::new(&format!("/proc/{pid}/stat")))
}

fn ticks_in(file: &Path) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(file)?;
    // The name may hold spaces: fields are counted behind its closing bracket.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64((ticks(11) + ticks(12)) as f64 / per_second as f64))
}

/// Resident memory in bytes.
pub fn resident(pid: u32) -> io::Result<u64> {
    status_bytes(pid, "VmRSS:")
}

/// Processor time of this thread.
pub fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Memory that is the process's own, without the page cache, in bytes.
pub fn resident_private(pid: u32) -> io::Result<u64> {
    status_bytes(pid, "RssAnon:")
}

fn status_bytes(pid: u32, field: &str) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    let kib: u64 = line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
    Ok(kib * 1024)
}
