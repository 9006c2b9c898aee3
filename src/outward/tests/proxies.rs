//! By a proxy.

use tempfile::TempDir;
use tokio::io::copy_bidirectional;

use super::{
    certificates::Authority,
    tls::{acceptor, file, serving},
    *,
};

/// `user:hunter2`.
const AUTHORIZATION: &str = "proxy-authorization: Basic dXNlcjpodW50ZXIy\r\n";

/// Leads everyone to one receiver.
async fn tunnelling(to: SocketAddr) -> Server {
    Server::new(move |stream, heard| lead(stream, heard, to)).await
}

async fn lead(mut stream: impl Stream, heard: Arc<Mutex<Vec<String>>>, to: SocketAddr) {
    let asked = request(&mut stream).await;
    heard.lock().unwrap().push(asked);
    stream.write_all(b"HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n").await.unwrap();
    let mut there = TcpStream::connect(to).await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut there).await;
}

#[tokio::test]
async fn a_request_in_the_clear_is_fetched_by_the_proxy_and_the_user_is_said_to_it_alone() {
    let proxy = Server::answering("HTTP/1.1 200 x\r\n\r\nfetched").await;
    let url = format!("http://user:{SECRET}@{}", proxy.address);
    let client = client(&[("http_proxy", &url)]);
    assert!(!format!("{client:?}").contains(SECRET));
    let answer = client.call(post("http://receiver.test:81/a?b"), Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"fetched"[..]));
    let heard = proxy.heard().remove(0);
    assert!(heard.starts_with("POST http://receiver.test:81/a?b HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains("host: receiver.test:81\r\n") && heard.contains(AUTHORIZATION), "{heard}");
}

#[tokio::test]
async fn over_tls_the_proxy_leads_through_and_sees_nothing() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    let receiver = serving(&authority.certify(&["receiver.test"]), "HTTP/1.1 200 x\r\n\r\n").await;
    let proxy = tunnelling(receiver.address).await;
    let url = format!("http://user:{SECRET}@{}", proxy.address);
    let client = client(&[("HTTPS_PROXY", &url)]);
    let believed = file(&folder, &authority.pem());
    let https = |url: &str| Call { authorities: Some(believed.clone()), from_label: true, ..post(url) };
    client.call(https("https://receiver.test/a"), Timestamp::UNIX_EPOCH).await.unwrap();
    let heard = proxy.heard().remove(0);
    let expected = "CONNECT receiver.test:443 HTTP/1.1\r\nhost: receiver.test:443\r\n";
    assert_eq!(heard, format!("{expected}{AUTHORIZATION}\r\n"));
    let heard = receiver.heard().remove(0);
    assert!(heard.starts_with("POST /a HTTP/1.1\r\n") && !heard.contains("proxy-"), "{heard}");

    let told = failed(&client, https("https://other.test/hunter2")).await;
    assert!(told.reason.starts_with("its certificate is not for \"other.test\""), "{told:?}");
}

#[tokio::test]
async fn a_proxy_may_have_a_certificate_itself() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    let receiver = serving(&authority.certify(&["receiver.test"]), "HTTP/1.1 200 x\r\n\r\n").await;
    let (to, acceptor) = (receiver.address, acceptor(&authority.certify(&["localhost"])));
    let proxy = Server::new(move |stream, heard| {
        let acceptor = acceptor.clone();
        async move { lead(acceptor.accept(stream).await.unwrap(), heard, to).await }
    })
    .await;
    let client = client(&[("all_proxy", &format!("https://localhost:{}", proxy.address.port()))]);
    let https = Call { authorities: Some(file(&folder, &authority.pem())), ..post("https://receiver.test") };
    assert_eq!(client.call(https, Timestamp::UNIX_EPOCH).await.unwrap().status, 200);
    assert_eq!(proxy.heard().len(), 1);
}

#[tokio::test]
async fn a_proxy_that_does_not_want_to_is_told_of_with_its_variable() {
    for (status, mend, again) in [
        (407, "write user and password into it, as http://user:password@proxy:3128", false),
        (403, "have it let this host and port through, or name the host in NO_PROXY", false),
        (502, "look at what it logs", true),
    ] {
        let proxy = Server::answering(format!("HTTP/1.1 {status} {SECRET}\r\n\r\n{SECRET}")).await;
        let url = format!("http://user:{SECRET}@{}", proxy.address);
        let told = failed(&client(&[("all_proxy", &url)]), post("https://receiver.test/hunter2")).await;
        let place = format!("the proxy http://{} of all_proxy", proxy.address);
        assert_eq!(told.reason, format!("{place} answers with status {status}: {mend}"));
        assert_eq!(told.again, again);
    }
    let proxy = Server::answering("HTTP/1.1 407 x\r\n\r\n").await;
    let client_of = |address| client(&[("HTTP_PROXY", &format!("http://user:{SECRET}@{address}"))]);
    let told = failed(&client_of(proxy.address), post("http://receiver.test/")).await.reason;
    assert!(told.contains("of HTTP_PROXY answers with status 407"), "{told}");

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let told = failed(&client_of(nobody), post("http://receiver.test/")).await.reason;
    let place = format!("the proxy http://{nobody} of HTTP_PROXY: nobody listens there");
    assert!(told.starts_with(&place), "{told}");
}

#[tokio::test]
async fn a_proxy_that_is_silent_or_says_something_else_has_no_longer_than_the_request() {
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", hole.local_addr().unwrap());
    let short = Call { timeout: SHORT, ..post("https://receiver.test/") };
    let told = failed(&client(&[("https_proxy", &url)]), short).await;
    assert_eq!((&*told.reason, told.again), ("it did not answer within 200ms", true));

    for said in [String::new(), "SSH-2.0-hunter2\r\n".to_owned(), "HTTP/1.1 200 x\r\nx: y".repeat(1000)] {
        let proxy = Server::answering(said).await;
        let client = client(&[("https_proxy", &proxy.url(""))]);
        let told = failed(&client, post("https://receiver.test/")).await.reason;
        assert!(told.contains("hung up") || told.contains("TLS"), "{told}");
    }
}

#[tokio::test]
async fn what_no_proxy_names_and_this_machine_are_asked_without_one() {
    let receiver = Server::answering("HTTP/1.1 200 x\r\n\r\n").await;
    let client = client(&[("http_proxy", "http://127.0.0.1:1"), ("no_proxy", "receiver.test")]);
    client.call(post(receiver.url("/")), Timestamp::UNIX_EPOCH).await.unwrap();
    assert!(receiver.heard()[0].starts_with("POST / "), "{:?}", receiver.heard());
    let told = failed(&client, post("http://other.test/")).await.reason;
    assert!(told.starts_with("the proxy http://127.0.0.1:1 of http_proxy"), "{told}");
}

#[tokio::test]
async fn a_proxy_is_not_asked_for_metadata_because_of_a_label() {
    let proxy = Server::answering("HTTP/1.1 200 x\r\n\r\n").await;
    let client = client(&[("all_proxy", &proxy.url(""))]);
    for url in [
        "http://169.254.169.254/x",
        "https://[fd00:ec2::254]/",
        "http://2852039166/",
        "http://metadata.google.internal/",
        "https://[::ffff:a9fe:a9fe]",
    ] {
        let told = failed(&client, Call { from_label: true, ..post(url) }).await;
        assert!(told.reason.starts_with("a label may not lead to ") && !told.again, "{url}: {told:?}");
    }
    assert_eq!(proxy.heard(), Vec::<String>::new());
    client.call(post("http://169.254.169.254/x"), Timestamp::UNIX_EPOCH).await.unwrap();
}
