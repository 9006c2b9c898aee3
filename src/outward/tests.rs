//! Requests to real receivers on this machine.

mod answers;
#[path = "../../integration/support/certificates.rs"]
#[expect(dead_code, reason = "others need more of it")]
mod certificates;
mod proxies;
mod redirects;
mod tls;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    Stream,
    http::{Answer, Call, Client, Failed},
};

/// So long that only what never comes takes longer.
const PATIENT: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);
const SECRET: &str = "hunter2";

/// Listens until it is dropped.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Server {
    /// Does so with each connection, one after another.
    async fn new<F: Future<Output = ()> + Send>(
        serve: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> F + Send + 'static,
    ) -> Self {
        Self::at("127.0.0.1:0", serve).await
    }

    async fn at<F: Future<Output = ()> + Send>(
        address: &str,
        serve: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let there = heard.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, there.clone()).await;
            }
        });
        Self { address, heard, _task: task }
    }

    /// Answers each request with this.
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |mut stream, heard| {
            let answer = answer.clone();
            async move { exchange(&mut stream, &heard, &answer).await }
        })
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Reads a request and answers it.
async fn exchange(stream: &mut impl Stream, heard: &Mutex<Vec<String>>, answer: &[u8]) {
    let request = request(stream).await;
    heard.lock().unwrap().push(request);
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

/// The head of a request and its body.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = String::new();
    let mut length = None;
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let of = |line: &str| line.strip_prefix("content-length: ").and_then(|it| it.parse().ok());
            let length: usize = *length.get_or_insert_with(|| head.lines().find_map(of).unwrap_or(0));
            if body.len() >= length {
                return text;
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return text,
            Ok(read) => text.push_str(std::str::from_utf8(&piece[..read]).unwrap()),
        }
    }
}

fn client(variables: &[(&str, &str)]) -> Client {
    let found = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
    Client::new(&found).unwrap()
}

fn post(url: impl Into<String>) -> Call {
    Call {
        method: "POST",
        url: url.into(),
        headers: Vec::new(),
        body: "what is sent".into(),
        timeout: PATIENT,
        from_label: false,
        authorities: None,
    }
}

async fn call(call: Call) -> Result<Answer, Failed> {
    client(&[]).call(call, Timestamp::UNIX_EPOCH).await
}

/// The reason of a request that came to nothing, in which nothing secret is.
async fn failed(client: &Client, call: Call) -> Failed {
    let shown = format!("{client:?} {call:?}");
    let failed = client.call(call, Timestamp::UNIX_EPOCH).await.unwrap_err();
    for it in [&shown, &failed.reason, &format!("{failed:?}")] {
        assert!(!it.contains(SECRET), "{it}");
    }
    failed
}

/// Why a request to there fails.
async fn reason(url: impl Into<String>) -> String {
    failed(&client(&[]), post(url)).await.reason
}
