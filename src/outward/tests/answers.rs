//! What receivers answer, and what those do that do not.

use rustix::net::sockopt::set_socket_linger;

use super::{super::http::ANSWER, *};

#[tokio::test]
async fn a_request_has_what_it_is_given_and_what_each_has() {
    let server = Server::answering("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok").await;
    let url = server.url("/a/b?c=d").replace("//", "//user:p%40ss@");
    let headers = [("X-Key", "a"), ("x-key", "b"), ("content-type", "text/plain")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let answer = call(Call { method: "PUT", headers, ..post(url) }).await.unwrap();
    assert_eq!((answer.status, &answer.body[..], answer.retry_after), (201, &b"ok"[..], None));
    let [request] = &server.heard()[..] else { panic!("{:?}", server.heard()) };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.lines().collect();
    assert_eq!((lines.remove(0), body), ("PUT /a/b?c=d HTTP/1.1", "what is sent"));
    lines.sort_unstable();
    let host = format!("host: {}", server.address);
    let agent = concat!("user-agent: watchbell/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        lines,
        [
            "authorization: Basic dXNlcjpwQHNz",
            "connection: close",
            "content-length: 12",
            "content-type: text/plain",
            &host,
            agent,
            "x-key: a",
            "x-key: b",
        ]
    );
}

#[tokio::test]
async fn what_is_only_asked_has_no_body_and_a_header_of_ones_own_goes_over_ours() {
    let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let headers = [("Authorization", "Bearer x"), ("User-Agent", "me"), ("Host", "front")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let url = server.url("").replace("//", "//user:pass@");
    let get = Call { method: "GET", headers, body: "".into(), ..post(url) };
    assert_eq!(call(get).await.unwrap().status, 204);
    let heard = server.heard().remove(0);
    assert!(heard.starts_with("GET / HTTP/1.1\r\n") && heard.ends_with("\r\n\r\n"), "{heard}");
    assert!(!heard.contains("content-length") && !heard.contains("Basic"), "{heard}");
    for line in ["authorization: Bearer x\r\n", "user-agent: me\r\n", "host: front\r\n"] {
        assert_eq!(heard.matches(line).count(), 1, "{heard}");
    }
    let server = Server::answering("HTTP/1.1 200 x\r\n\r\n").await;
    call(Call { body: "".into(), ..post(server.url("/")) }).await.unwrap();
    assert!(server.heard()[0].contains("content-length: 0\r\n"), "{:?}", server.heard());
}

#[tokio::test]
async fn each_status_is_an_answer_and_says_when_to_come_again() {
    let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
    for (status, said, after) in [
        (400, "", None),
        (404, "", None),
        (413, "", None),
        (429, "Retry-After: 120\r\n", Some(120)),
        (429, "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Some(37)),
        (503, "retry-after: Sun, 06 Nov 1994 08:48:37 GMT\r\n", Some(0)),
        (503, "retry-after: soon\r\n", None),
        (500, "retry-after: -1\r\n", None),
    ] {
        let server = Server::answering(format!("HTTP/1.1 {status} x\r\n{said}\r\nthe body")).await;
        let answer = client(&[]).call(post(server.url("/")), now).await.unwrap();
        let after = after.map(Duration::from_secs);
        assert_eq!((answer.status, answer.retry_after), (status, after), "{said}");
        assert_eq!(&answer.body[..], b"the body");
        assert!(!format!("{answer:?}").contains("the body"));
    }
}

#[tokio::test]
async fn a_longer_answer_is_cut_and_one_that_breaks_off_is_what_there_was_of_it() {
    let long = [b"HTTP/1.1 200 x\r\n\r\n", &vec![b'x'; ANSWER + 1][..]].concat();
    let server = Server::answering(long).await;
    assert_eq!(call(post(server.url("/"))).await.unwrap().body.len(), ANSWER);
    for broken in [
        "HTTP/1.1 200 x\r\ncontent-length: 99\r\n\r\nhalf",
        "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense",
    ] {
        let server = Server::answering(broken).await;
        let answer = call(post(server.url("/"))).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"half"[..]), "{broken}");
    }
}

/// Writes pieces for ever, and the last one again and again.
async fn dripping(pieces: &'static [&'static str]) -> Server {
    Server::new(move |mut stream, _| async move {
        request(&mut stream).await;
        for piece in pieces.iter().chain(std::iter::repeat(pieces.last().unwrap())) {
            if stream.write_all(piece.as_bytes()).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

#[tokio::test]
async fn who_never_answers_is_not_waited_for_and_who_never_ends_has_answered() {
    let hole = Server::new(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    // Nobody takes what comes: it is the kernel that does.
    let full = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unheard = format!("http://{}", full.local_addr().unwrap());
    let endless = dripping(&["HTTP/1.1 200 x\r\n", "x: y\r\n"]).await;
    let large = Call { body: vec![0; 64 << 20].into(), ..post(hole.url("/")) };
    for it in [post(hole.url("/hunter2")), post(unheard), post(endless.url("/")), large] {
        let failed = failed(&client(&[]), Call { timeout: SHORT, ..it }).await;
        assert_eq!((&*failed.reason, failed.again), ("it did not answer within 200ms", true));
    }
    let slow = dripping(&["HTTP/1.1 200 x\r\n\r\n", "z"]).await;
    let answer = call(Call { timeout: SHORT, ..post(slow.url("/")) }).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.iter().all(|it| *it == b'z'), "{:?}", answer.body);
}

#[tokio::test]
async fn who_hangs_up_or_says_something_else_is_told_of_in_words() {
    let silent = Server::answering("").await;
    let reset = Server::new(|mut stream, _| async move {
        request(&mut stream).await;
        set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    })
    .await;
    for url in [silent.url("/"), reset.url("/hunter2")] {
        let told = reason(url).await;
        assert!(told.starts_with("it hung up without an answer: look at"), "{told}");
    }
    let other = Server::answering("SSH-2.0-hunter2\r\n").await;
    assert_eq!(reason(other.url("/")).await, "it does not speak HTTP: look at its scheme and its port");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let told = reason(format!("http://user:hunter2@{nobody}/hunter2?hunter2")).await;
    assert_eq!(told, "nobody listens there: see whether it runs, and look at its host and port");
}

/// Such as one that takes less than it is sent: the reason is in the answer, and not in how the connection ends.
#[tokio::test]
async fn who_answers_before_everything_was_sent_is_heard() {
    for _ in 0..20 {
        let early = Server::new(|mut stream, _| async move {
            stream.read_exact(&mut [0; 10]).await.unwrap();
            stream.write_all(b"HTTP/1.1 413 x\r\ncontent-length: 3\r\n\r\nbig").await.unwrap();
            // What was not read makes it a reset.
        })
        .await;
        let answer = call(Call { body: vec![b'x'; 8 << 20].into(), ..post(early.url("/")) }).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (413, &b"big"[..]));
    }
}

#[tokio::test]
async fn a_header_cannot_become_two_and_is_told_without_its_value() {
    for (name, value, told) in [
        (
            "X-Token",
            "hunter2\r\nx: y",
            "header x-token holds what no header may hold, such as a line break: mend its value",
        ),
        (
            "X-Token",
            "hunter2\0",
            "header x-token holds what no header may hold, such as a line break: mend its value",
        ),
        ("Content-Length", "hunter2", "header content-length is for the agent to say: leave it out"),
        ("Transfer-Encoding", "chunked", "header transfer-encoding is for the agent to say: leave it out"),
        (
            "X: hunter2\r\ny",
            "z",
            "one of its headers has no name that a header may have: write letters, digits and hyphens",
        ),
    ] {
        let headers = vec![(name.to_owned(), value.to_owned())];
        let failed = failed(&client(&[]), Call { headers, ..post("http://127.0.0.1:1/hunter2") }).await;
        assert_eq!((&*failed.reason, failed.again), (told, false));
    }
    let told = failed(&client(&[]), post("hunter2://a")).await;
    assert!(told.reason.starts_with("it is no address of http://") && !told.again, "{told:?}");
}

#[tokio::test]
async fn a_receiver_may_have_an_address_of_ipv6() {
    let server = Server::at("[::1]:0", |mut stream, heard| async move {
        exchange(&mut stream, &heard, b"HTTP/1.1 200 x\r\n\r\n").await;
    })
    .await;
    let answer = call(Call { from_label: true, ..post(server.url("/")) }).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(server.heard()[0].contains(&format!("host: {}\r\n", server.address)), "{:?}", server.heard());
}

#[tokio::test]
async fn a_label_leads_to_no_metadata() {
    let label = |url: &str| Call { from_label: true, ..post(url) };
    let told = failed(&client(&[]), label("http://169.254.169.254/hunter2")).await;
    assert!(told.reason.starts_with("a label may not lead to 169.254.169.254") && !told.again, "{told:?}");
    let server = Server::answering("HTTP/1.1 307 x\r\nlocation: /again\r\n\r\n").await;
    let told = failed(&client(&[]), label(&server.url("/"))).await;
    assert!(told.reason.starts_with("it redirects again and again"), "{told:?}");
}
