//! Answers that lead elsewhere.

use super::*;

/// Leads from `/` on with this status to this place, and answers elsewhere.
async fn leading(status: u16, location: String) -> Server {
    Server::new(move |mut stream, heard| {
        let leads = format!("HTTP/1.1 {status} x\r\nlocation: {location}\r\n\r\n");
        async move {
            let request = request(&mut stream).await;
            let here = request.starts_with("POST / ");
            heard.lock().unwrap().push(request);
            let answer = if here { &*leads } else { "HTTP/1.1 200 x\r\n\r\narrived" };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn the_same_server_may_lead_on_and_is_sent_all_of_it_again() {
    for status in [307, 308] {
        let server = leading(status, "/next?x".to_owned()).await;
        let headers = vec![("authorization".to_owned(), SECRET.to_owned())];
        let answer = call(Call { headers, ..post(server.url("/")) }).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"arrived"[..]));
        let [first, second] = &server.heard()[..] else { panic!("{:?}", server.heard()) };
        assert_eq!(first.replacen("/ ", "/next?x ", 1), *second);
        assert!(second.contains(SECRET) && second.ends_with("what is sent"), "{second}");
    }
}

#[tokio::test]
async fn another_server_is_sent_nothing() {
    let other = Server::answering("HTTP/1.1 200 x\r\n\r\n").await;
    for location in [other.url("/hunter2"), "//hunter2/x".to_owned(), "http://localhost:1/".to_owned()] {
        for status in [301, 302, 303, 307, 308] {
            let server = leading(status, location.clone()).await;
            let headers = vec![("authorization".to_owned(), SECRET.to_owned())];
            let failed = failed(&client(&[]), Call { headers, ..post(server.url("/")) }).await;
            let told = format!(
                "it redirects (status {status}) to another server, which is sent nothing: write the new address if it is \
                 meant"
            );
            assert_eq!((failed.reason, failed.again), (told, false), "{location}");
        }
    }
    assert_eq!(other.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn what_would_arrive_with_nothing_in_hand_is_told_with_the_mend() {
    for (location, told) in [
        ("/hunter2", "it redirects (status 302) to another path: write the new address"),
        (
            "https://127.0.0.1/hunter2",
            "it redirects (status 302) to the same host over TLS: write https:// in its address",
        ),
        ("", "it redirects (status 302) to another path: write the new address"),
        ("ftp://hunter2", "it redirects (status 302) without saying where to: look at its address"),
    ] {
        let server = leading(302, location.to_owned()).await;
        assert_eq!(reason(server.url("/")).await, told, "{location}");
        assert_eq!(server.heard().len(), 1);
    }
}

#[tokio::test]
async fn a_circle_is_left() {
    let server = leading(307, "/".to_owned()).await;
    assert_eq!(
        reason(server.url("/")).await,
        "it redirects again and again: write the address that it ends at"
    );
    assert_eq!(server.heard().len(), 4);
}
