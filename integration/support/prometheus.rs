//! A real Prometheus, as a process beside the test, and what it is asked.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use super::{
    beside::{self, LIMIT},
    expect::root,
};

/// One of its programs.
fn program(name: &str) -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "said by whoever runs the tests, and by nothing else")]
    let directory = std::env::var("WATCHBELL_PROMETHEUS");
    let directory = directory.expect("without Prometheus: run the tests by integration/prometheus with CMD");
    Path::new(&directory).join(name)
}

/// Asks promtool, in the repository's root.
pub fn promtool<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    Command::new(program("promtool")).args(arguments).current_dir(root()).output().unwrap()
}

/// It is killed with this.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// With this configuration, which is written into the folder, as what it keeps is.
    pub fn start(folder: &Path, config: &str) -> Self {
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let mut child = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.level=info"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = Vec::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.by_ref().find_map(|line| {
            let address = line.split_once("msg=\"Listening on\" address=").map(|(_, it)| it.parse().unwrap());
            told.push(line);
            address
        });
        // What it tells further must not block it.
        std::thread::Builder::new().spawn(move || lines.for_each(drop)).unwrap();
        let address = address.unwrap_or_else(|| panic!("Prometheus does not listen: {told:#?}"));
        Self { child, address }
    }

    /// An answer of its API.
    pub fn get(&self, path: &str) -> Value {
        let reply = beside::ask_at(self.address, ("GET", path), &self.address.to_string(), &[], "");
        // While it starts it is not ready to answer.
        if reply.status == 503 {
            return Value::Null;
        }
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()["data"].take()
    }

    /// The series that an expression gives now.
    pub fn query(&self, expression: &str) -> Vec<Value> {
        let mut encoded = String::new();
        for byte in expression.bytes() {
            let _ = write!(encoded, "%{byte:02X}");
        }
        let found = self.get(&format!("/api/v1/query?query={encoded}"));
        found["result"].as_array().cloned().unwrap_or_default()
    }

    /// The one number that an expression gives now.
    pub fn number(&self, expression: &str) -> Option<f64> {
        match &self.query(expression)[..] {
            [] => None,
            [one] => one["value"][1].as_str().unwrap().parse().ok(),
            several => panic!("{expression}: {several:?}"),
        }
    }

    /// Waits until something is so.
    #[expect(clippy::disallowed_methods, reason = "Prometheus is another process and lives in real time")]
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = std::time::Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < LIMIT, "not so: {what}");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}
