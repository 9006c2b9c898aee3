//! The least that a client of the Engine can do: HTTP by hand on a unix socket, a connection for each call.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::{Instant, sleep},
};

use super::Failure;

/// The Engine behind a socket.
#[derive(Debug, Clone)]
pub struct Bare {
    socket: String,
}

/// How a command went.
#[derive(Debug)]
pub struct BareExec {
    /// From before its creation to its exit code.
    pub took: Duration,
    /// Bytes of its output, the Engine's frames included.
    pub bytes: usize,
}

impl Bare {
    /// The Engine at this address, which must be a socket.
    pub fn at(host: &str) -> Result<Self, Failure> {
        let socket = host.strip_prefix("unix://").ok_or("the bare client can only speak to a unix socket")?;
        Ok(Self { socket: socket.to_owned() })
    }

    /// Create, start, read to the end, inspect.
    pub async fn exec(&self, container: &str, argv: &[&str]) -> Result<BareExec, Failure> {
        let began = Instant::now();
        let body = serde_json::json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": argv }).to_string();
        let created = self.json("POST", &format!("/containers/{container}/exec"), &body).await?;
        let id = created["Id"].as_str().ok_or("no ID")?.to_owned();
        let bytes = self.start(&id).await?;
        loop {
            let state = self.json("GET", &format!("/exec/{id}/json"), "").await?;
            if let (Some(false), Some(code)) = (state["Running"].as_bool(), state["ExitCode"].as_i64()) {
                let took = began.elapsed();
                return if code == 0 {
                    Ok(BareExec { took, bytes })
                } else {
                    Err("the command failed".into())
                };
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: docker\r\n{headers}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await?;
        Ok(stream)
    }

    /// A call with a small JSON object for an answer.
    async fn json(&self, method: &str, path: &str, body: &str) -> Result<serde_json::Value, Failure> {
        let mut stream = self.send(method, path, "Connection: close", body).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let text = String::from_utf8(answer)?;
        if !text.starts_with("HTTP/1.1 2") {
            return Err(format!("{method} {path}: {text}").into());
        }
        // Whether it came in one chunk or with a length, the object is all that is in braces.
        let (from, to) = (text.find('{').ok_or("no object")?, text.rfind('}').ok_or("no object")?);
        Ok(serde_json::from_str(&text[from..=to])?)
    }

    /// Starts a command and reads what it prints; the length of that.
    async fn start(&self, id: &str) -> Result<usize, Failure> {
        let headers = "Connection: Upgrade\r\nUpgrade: tcp";
        let mut stream = self
            .send("POST", &format!("/exec/{id}/start"), headers, r#"{"Detach":false,"Tty":false}"#)
            .await?;
        let mut buffer = vec![0; 64 * 1024];
        let mut bytes = 0;
        loop {
            match stream.read(&mut buffer).await? {
                0 => return Ok(bytes),
                more => bytes += more,
            }
        }
    }
}
