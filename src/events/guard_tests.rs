use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn only_addresses_of_the_public_internet_are_reached() {
    // The first and the last of each block of the IANA registries of special-purpose addresses.
    for refused in [
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.255",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ] {
        assert!(!is_public(refused.parse().unwrap()), "{refused}");
    }
    for reached in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "2606:4700::1111",
        "3ffe::1",
    ] {
        assert!(is_public(reached.parse().unwrap()), "{reached}");
    }
}

#[test]
fn what_an_address_says_of_itself_is_judged_without_asking() {
    let refusal = |text: &str| read(text, false).unwrap_err();
    assert!(read("https://shop.example/hooks?a=b", false).is_ok());
    assert!(read("https://shop.example:8443/", false).is_ok());
    assert!(read("https://[2606:4700::1111]/", false).is_ok());
    for (text, expected) in [
        ("shop.example/hooks", Refusal::NoUrl),
        ("ftp://shop.example/", Refusal::NoUrl),
        ("file:///etc/passwd", Refusal::NoUrl),
        ("gopher://shop.example/", Refusal::NoUrl),
        ("http://shop.example/", Refusal::NotEncrypted),
        ("http://localhost/", Refusal::NotEncrypted),
        ("https://a:b@shop.example/", Refusal::Credentials),
        ("https://shop.example:22/", Refusal::Port(22)),
        ("https://shop.example:80/", Refusal::Port(80)),
        ("https://shop.example:0/", Refusal::Port(0)),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
    // However it is written, it is 127.0.0.1.
    for text in [
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1:8443/",
        "https://%31%32%37.0.0.1/",
        "https://①②⑦.0.0.1/",
    ] {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(refusal(text), Refusal::NotPublic(here), "{text}");
    }
    for text in [
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fd00::1]/",
        "https://169.254.169.254/",
        "https://0/",
    ] {
        assert!(matches!(refusal(text), Refusal::NotPublic(_)), "{text}");
    }
}

#[test]
fn for_development_this_machine_may_be_reached_and_no_other() {
    for text in [
        "http://127.0.0.1:9000/",
        "http://localhost/",
        "http://[::1]:9000/",
        "https://127.0.0.1/",
    ] {
        assert!(read(text, true).is_ok(), "{text}");
    }
    for text in [
        "http://10.0.0.1:9000/",
        "http://shop.example/",
        "http://127.0.0.1:22/",
        "https://10.0.0.1/",
    ] {
        assert!(read(text, true).is_err(), "{text}");
    }
}

fn answers(lists: &'static [&'static [&'static str]]) -> (Lookup, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        let n = count.fetch_add(1, Ordering::SeqCst);
        let list = lists.get(n).or(lists.last()).copied().unwrap_or_default();
        Box::pin(async move { Ok(list.iter().map(|text| text.parse().unwrap()).collect()) })
    });
    (lookup, asked)
}

#[tokio::test]
async fn a_name_is_judged_by_every_address_it_leads_to() {
    let (lookup, _) = answers(&[
        &["93.184.216.34"],
        &["127.0.0.1"],
        &["93.184.216.34", "10.0.0.1"],
        &["93.184.216.34", "::1"],
        &[],
    ]);
    let guard = Guard::new(lookup, false);
    let first = guard.addresses("shop.example").await.unwrap();
    assert_eq!(first, ["93.184.216.34".parse::<IpAddr>().unwrap()]);
    // The same name, another answer: it is judged anew.
    for told in ["127.0.0.1", "10.0.0.1", "::1", "nowhere"] {
        let refusal = guard.addresses("shop.example").await.unwrap_err();
        assert!(refusal.to_string().contains(told), "{refusal}");
    }
}

#[tokio::test]
async fn the_client_connects_to_the_very_address_that_was_judged() {
    // reqwest brings no provider of its own; another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let peer = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = peer.local_addr().unwrap().port();
    // Whoever asked a second time would be led elsewhere.
    let (lookup, asked) = answers(&[&["127.0.0.1"], &["10.255.255.1"]]);
    let client = reqwest::Client::builder()
        .dns_resolver(Arc::new(Guard::new(lookup, true)))
        .no_proxy()
        .timeout(std::time::Duration::from_secs(20))
        .build()
        .unwrap();
    let sent = tokio::spawn(
        client
            .get(format!("http://changing.example:{port}/"))
            .send(),
    );
    let (mut stream, _) = peer.accept().await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 204 No Content\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(sent.await.unwrap().unwrap().status(), 204);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_name_of_this_machine_is_refused_by_the_system_s_own_look_up() {
    let refused = Guard::new(system_lookup(), false)
        .addresses("localhost")
        .await;
    assert!(refused.unwrap_err().to_string().contains("public internet"));
    assert!(
        !Guard::new(system_lookup(), true)
            .addresses("localhost")
            .await
            .unwrap()
            .is_empty()
    );
}
