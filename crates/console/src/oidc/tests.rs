//! A sign-in from begin to end with a scripted provider, and everything that must not pass.

use super::*;
use async_trait::async_trait;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256};
use data_encoding::BASE64URL_NOPAD;
use domicile_testkit::Handles;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

const ISSUER: &str = "https://id.example.com";
const ANSWER_URL: &str = "https://eu1.example.com/sign-in/oidc/p1/answer";
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

// Made once: RSA keys take a while.
static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"));
static OTHER_RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"));
static EC: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"));

fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

fn rsa_n(key: &RsaKeyPair) -> Vec<u8> {
    // PKCS #1 in DER: two headers of 4 bytes and a zero, the modulus' 256 bytes, the exponent.
    key.public_key().as_ref()[9..265].to_owned()
}

fn jwks() -> Value {
    let point = EC.public_key().as_ref();
    json!({"keys": [
        {"kid": "enc", "kty": "RSA", "use": "enc", "n": b64(rsa_n(&OTHER_RSA)), "e": "AQAB"},
        {"kid": "odd", "kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kid": "rsa", "kty": "RSA", "use": "sig", "n": b64(rsa_n(&RSA)), "e": "AQAB"},
        {"kid": "ec", "kty": "EC", "crv": "P-256", "alg": "ES256", "x": b64(&point[1..33]), "y": b64(&point[33..])},
    ]})
}

fn discovery() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://id.example.com/authorize?tenant=1",
        "token_endpoint": "https://id.example.com/token",
        "userinfo_endpoint": "https://id.example.com/me",
        "jwks_uri": "https://keys.example.com/jwks",
    })
}

fn join(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", b64(signature))
}

fn sign_rsa(key: &RsaKeyPair, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect("signed");
    signature
}

fn signed(claims: &Value) -> String {
    join(&json!({"alg": "RS256", "kid": "rsa"}), claims, |message| sign_rsa(&RSA, message))
}

/// A provider whose answers are a table, and which counts what it is asked.
#[derive(Default)]
struct Scripted {
    answers: Mutex<HashMap<String, (u16, String)>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn put(&self, url: &str, status: u16, body: impl ToString) {
        self.answers.lock().expect("no panic").insert(url.to_owned(), (status, body.to_string()));
    }

    fn answer(&self, asked: String, url: &str) -> Result<Fetched, FetchError> {
        self.asked.lock().expect("no panic").push(asked);
        let answers = self.answers.lock().expect("no panic");
        let (status, body) = answers.get(url).ok_or(FetchError("refused".to_owned()))?;
        Ok(Fetched { status: *status, body: body.clone().into_bytes() })
    }

    fn count(&self, part: &str) -> usize {
        self.asked.lock().expect("no panic").iter().filter(|asked| asked.contains(part)).count()
    }
}

#[async_trait]
impl Fetch for Scripted {
    async fn get(&self, _: &Provider, url: &str, _: Option<HeaderValue>) -> Result<Fetched, FetchError> {
        self.answer(format!("GET {url}"), url)
    }

    async fn post(
        &self,
        _: &Provider,
        url: &str,
        form: String,
        auth: Option<HeaderValue>,
    ) -> Result<Fetched, FetchError> {
        let auth = auth.map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default();
        self.answer(format!("POST {url} {form} {auth}"), url)
    }
}

struct Bed {
    oidc: Oidc,
    remote: Arc<Scripted>,
    provider: Provider,
    handles: Handles,
}

impl Bed {
    fn new() -> Self {
        let (world, handles) = domicile_testkit::world(1);
        let remote = Arc::new(Scripted::default());
        remote.put("https://id.example.com/.well-known/openid-configuration", 200, discovery());
        remote.put("https://keys.example.com/jwks", 200, jwks());
        let provider = Provider {
            id: "p1".to_owned(),
            issuer: ISSUER.to_owned(),
            client_id: "cell".to_owned(),
            secret: Some("s3/cret".to_owned()),
            domains: vec!["example.com".to_owned()],
            country: None,
        };
        Self { oidc: Oidc::new(world, Arc::clone(&remote) as Arc<dyn Fetch>), remote, provider, handles }
    }

    /// Good claims for a sign-in with this nonce.
    fn claims(nonce: &str) -> Value {
        let now = domicile_testkit::HandClock::START.0 / 1_000;
        json!({
            "iss": ISSUER, "sub": "u-17", "aud": "cell", "iat": now, "exp": now + 300, "nonce": nonce,
            "email": "Anna@Example.com", "email_verified": true, "name": "Anna Keller",
        })
    }

    async fn begin(&self) -> (HashMap<String, String>, String) {
        let begun = self.oidc.begin(&self.provider, ANSWER_URL, CLIENT).await.expect("begun");
        let url = url::Url::parse(&begun.url).expect("an address");
        (url.query_pairs().into_owned().collect(), begun.cookie)
    }

    async fn finish(&self, query: &str, cookie: Option<&str>) -> Result<Identity, OidcError> {
        self.oidc.finish(&self.provider, ANSWER_URL, query, cookie).await
    }

    /// A whole sign-in in which the provider gives the token that `token` makes of the nonce.
    async fn sign_in(&self, token: impl FnOnce(&str) -> String) -> Result<Identity, OidcError> {
        let (asked, cookie) = self.begin().await;
        let tokens = json!({"id_token": token(&asked["nonce"]), "access_token": "at"});
        self.remote.put("https://id.example.com/token", 200, tokens);
        self.finish(&format!("code=c1&state={}", asked["state"]), Some(&cookie)).await
    }
}

#[tokio::test]
async fn somebody_signs_in() {
    let bed = Bed::new();
    let (asked, _) = bed.begin().await;
    for (name, value) in [
        ("tenant", "1"),
        ("response_type", "code"),
        ("client_id", "cell"),
        ("redirect_uri", ANSWER_URL),
        ("scope", "openid email profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    let anna = bed.sign_in(|nonce| signed(&Bed::claims(nonce))).await.expect("signed in");
    let expected =
        Identity { subject: "u-17".to_owned(), email: "Anna@Example.com".to_owned(), name: "Anna Keller".to_owned() };
    assert_eq!(anna, expected);
    let asked = bed.remote.asked.lock().expect("no panic").clone();
    let post = asked.iter().find(|asked| asked.starts_with("POST")).expect("the code was given");
    assert!(post.contains("grant_type=authorization_code&code=c1&"), "{post}");
    assert!(post.contains("&code_verifier="), "{post}");
    assert!(post.ends_with(&format!("Basic {}", BASE64.encode(b"cell:s3%2Fcret"))), "{post}");
    let es256 = bed.sign_in(|nonce| {
        join(&json!({"alg": "ES256", "kid": "ec"}), &Bed::claims(nonce), |message| {
            EC.sign(&SystemRandom::new(), message).expect("signed").as_ref().to_vec()
        })
    });
    assert_eq!(es256.await.expect("signed in"), anna);
}

#[tokio::test]
async fn a_challenge_is_the_hash_of_the_verifier_that_comes_with_the_code() {
    let bed = Bed::new();
    let (asked, cookie) = bed.begin().await;
    let token = signed(&Bed::claims(&asked["nonce"]));
    bed.remote.put("https://id.example.com/token", 200, json!({"id_token": token}));
    bed.finish(&format!("code=c1&state={}", asked["state"]), Some(&cookie)).await.expect("signed in");
    let posts = bed.remote.asked.lock().expect("no panic").join(" ");
    let verifier = posts.split("code_verifier=").nth(1).and_then(|rest| rest.split([' ', '&']).next()).expect("one");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    assert_eq!(b64(digest), asked["code_challenge"]);
    assert!(verifier.len() >= 43);
}

#[tokio::test]
async fn a_forged_token_signs_nobody_in() {
    type Forge = Box<dyn Fn(&str) -> String>;
    let with = |field: &'static str, value: Value| -> Forge {
        Box::new(move |nonce| {
            let mut claims = Bed::claims(nonce);
            match value.is_null() {
                true => drop(claims.as_object_mut().expect("an object").remove(field)),
                false => claims[field] = value.clone(),
            }
            signed(&claims)
        })
    };
    let headed = |header: Value| -> Forge {
        Box::new(move |nonce| join(&header, &Bed::claims(nonce), |message| sign_rsa(&RSA, message)))
    };
    let now = domicile_testkit::HandClock::START.0 / 1_000;
    let forgeries: Vec<(&str, Forge)> = vec![
        ("alg none", Box::new(|nonce| join(&json!({"alg": "none"}), &Bed::claims(nonce), |_| vec![]))),
        (
            "HS256 with the public key",
            Box::new(|nonce| {
                join(&json!({"alg": "HS256", "kid": "rsa"}), &Bed::claims(nonce), |message| {
                    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &rsa_n(&RSA)), message).as_ref().to_vec()
                })
            }),
        ),
        ("ES256 said of an RSA key", headed(json!({"alg": "ES256", "kid": "rsa"}))),
        ("RS512", headed(json!({"alg": "RS512", "kid": "rsa"}))),
        ("crit", headed(json!({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}))),
        ("key of the token's own", headed(json!({"alg": "RS256", "kid": "mine", "jwk": jwks()["keys"][2]}))),
        (
            "key for encryption",
            Box::new(|nonce| {
                join(&json!({"alg": "RS256", "kid": "enc"}), &Bed::claims(nonce), |message| {
                    sign_rsa(&OTHER_RSA, message)
                })
            }),
        ),
        (
            "other key",
            Box::new(|nonce| {
                join(&json!({"alg": "RS256", "kid": "rsa"}), &Bed::claims(nonce), |message| {
                    sign_rsa(&OTHER_RSA, message)
                })
            }),
        ),
        (
            "claims changed after signing",
            Box::new(|nonce| {
                let token = signed(&Bed::claims(nonce));
                let parts: Vec<_> = token.split('.').collect();
                let mut claims = Bed::claims(nonce);
                claims["sub"] = json!("u-1");
                format!("{}.{}.{}", parts[0], b64(claims.to_string()), parts[2])
            }),
        ),
        (
            "no signature",
            Box::new(|nonce| signed(&Bed::claims(nonce)).rsplit_once('.').expect("three").0.to_owned() + "."),
        ),
        ("not a token", Box::new(|_| "a.b".to_owned())),
        ("huge", Box::new(|_| "a".repeat(100_000))),
        ("other issuer", with("iss", json!("https://evil.example"))),
        ("other audience", with("aud", json!("other"))),
        ("no audience", with("aud", Value::Null)),
        ("many audiences, no azp", with("aud", json!(["cell", "other"]))),
        ("azp of another", with("azp", json!("other"))),
        ("run out", with("exp", json!(now - 61))),
        ("no end", with("exp", Value::Null)),
        ("end as text", with("exp", json!("9999999999"))),
        ("from the future", with("iat", json!(now + 120))),
        ("long ago", with("iat", json!(now - 3_600))),
        ("not yet", with("nbf", json!(now + 120))),
        ("other nonce", with("nonce", json!("x"))),
        ("no nonce", with("nonce", Value::Null)),
        ("no subject", with("sub", Value::Null)),
        ("subject a number", with("sub", json!(17))),
        ("long subject", with("sub", json!("x".repeat(256)))),
        ("e-mail address of two", with("email", json!("a@evil.example@example.com"))),
        ("e-mail address with a line break", with("email", json!("a@example.com\n"))),
    ];
    for (what, forge) in forgeries {
        let bed = Bed::new();
        let found = bed.sign_in(|nonce| forge(nonce)).await;
        assert!(matches!(found, Err(OidcError::Untrusted(_))), "{what}: {found:?}");
    }
}

#[tokio::test]
async fn the_e_mail_address_must_be_verified_and_of_a_domain_of_the_provider() {
    for (email, verified, expected) in [
        ("anna@example.com", json!(false), OidcError::EmailNotVerified),
        ("anna@example.com", json!("true"), OidcError::EmailNotVerified),
        ("anna@example.com", Value::Null, OidcError::EmailNotVerified),
        ("anna@evil.example", json!(true), OidcError::OtherDomain),
        ("anna@example.com.evil.example", json!(true), OidcError::OtherDomain),
        ("anna@sub.example.com", json!(true), OidcError::OtherDomain),
    ] {
        let bed = Bed::new();
        let found = bed.sign_in(|nonce| {
            let mut claims = Bed::claims(nonce);
            claims["email"] = json!(email);
            claims["email_verified"] = verified.clone();
            signed(&claims)
        });
        assert_eq!(found.await, Err(expected), "{email} {verified}");
    }
}

#[tokio::test]
async fn an_answer_counts_once_and_only_in_the_browser_that_began() {
    let bed = Bed::new();
    let (asked, cookie) = bed.begin().await;
    let (_, other_cookie) = bed.begin().await;
    let token = signed(&Bed::claims(&asked["nonce"]));
    bed.remote.put("https://id.example.com/token", 200, json!({"id_token": token}));
    let good = format!("code=c1&state={}", asked["state"]);
    let (payload, signature) = cookie.split_once('.').expect("two parts");
    let turned = format!("{payload}.{}", signature.chars().rev().collect::<String>());
    let bare = format!("{payload}.");
    for (what, query, cookie) in [
        ("no cookie", good.as_str(), None),
        ("cookie of another sign-in", &good, Some(other_cookie.as_str())),
        ("forged cookie", &good, Some(turned.as_str())),
        ("unsigned cookie", &good, Some(bare.as_str())),
        ("empty cookie", &good, Some("")),
        ("no state", "code=c1", Some(cookie.as_str())),
        ("other state", "code=c1&state=x", Some(cookie.as_str())),
        ("empty state", "code=c1&state=", Some(cookie.as_str())),
    ] {
        assert_eq!(bed.finish(query, cookie).await, Err(OidcError::NotBegun), "{what}");
    }
    bed.finish(&good, Some(&cookie)).await.expect("the right one");
    assert_eq!(bed.finish(&good, Some(&cookie)).await, Err(OidcError::NotBegun), "a second time");
    // Another provider's answer with this cookie.
    let (asked, cookie) = bed.begin().await;
    let mut other = bed.provider.clone();
    other.id = "p2".to_owned();
    let found = bed.oidc.finish(&other, ANSWER_URL, &format!("code=c&state={}", asked["state"]), Some(&cookie)).await;
    assert_eq!(found, Err(OidcError::NotBegun));
    // Too late.
    bed.handles.clock.jump_wall(ticket::LIFE_MS);
    let found = bed.finish(&format!("code=c&state={}", asked["state"]), Some(&cookie)).await;
    assert_eq!(found, Err(OidcError::NotBegun));
}

#[tokio::test]
async fn a_provider_that_says_no_or_says_it_twice_signs_nobody_in() {
    for query in ["error=access_denied", "code=a&code=b", "code=", "error=x&code=c", ""] {
        let bed = Bed::new();
        let (asked, cookie) = bed.begin().await;
        let found = bed.finish(&format!("{query}&state={}", asked["state"]), Some(&cookie)).await;
        assert_eq!(found, Err(OidcError::Declined), "{query}");
    }
    let bed = Bed::new();
    let (asked, cookie) = bed.begin().await;
    let found = bed.finish(&format!("code=c&state={}&iss=https://evil.example", asked["state"]), Some(&cookie)).await;
    assert!(matches!(found, Err(OidcError::Untrusted(_))), "{found:?}");
    let (asked, cookie) = bed.begin().await;
    bed.remote.put("https://id.example.com/token", 400, json!({"error": "invalid_grant"}));
    let found = bed.finish(&format!("code=c&state={}", asked["state"]), Some(&cookie)).await;
    assert_eq!(found, Err(OidcError::Declined));
}

#[tokio::test]
async fn a_ticket_is_used_up_by_a_code_alone_and_a_network_begins_so_many() {
    let bed = Bed::new();
    let (asked, cookie) = bed.begin().await;
    for query in ["", "error=access_denied", "code="] {
        let found = bed.finish(&format!("{query}&state={}", asked["state"]), Some(&cookie)).await;
        assert_eq!(found, Err(OidcError::Declined), "{query}");
    }
    let token = signed(&Bed::claims(&asked["nonce"]));
    bed.remote.put("https://id.example.com/token", 200, json!({"id_token": token}));
    bed.finish(&format!("code=c1&state={}", asked["state"]), Some(&cookie)).await.expect("nothing was used up");
    for _ in 1..60 {
        bed.begin().await;
    }
    let begin = async |client| bed.oidc.begin(&bed.provider, ANSWER_URL, client).await.map(|_| ());
    assert_eq!(begin(CLIENT).await, Err(OidcError::TooMany));
    assert_eq!(begin(IpAddr::from([198, 51, 100, 2])).await, Ok(()), "others begin all the same");
}

#[tokio::test]
async fn keys_are_asked_for_again_when_one_is_new_and_not_for_ever() {
    let bed = Bed::new();
    bed.sign_in(|nonce| signed(&Bed::claims(nonce))).await.expect("signed in");
    assert_eq!(bed.remote.count("jwks"), 1);
    let unknown = |nonce: &str| {
        join(&json!({"alg": "RS256", "kid": "new"}), &Bed::claims(nonce), |message| sign_rsa(&OTHER_RSA, message))
    };
    for _ in 0..50 {
        bed.sign_in(unknown).await.expect_err("an unknown key");
    }
    assert_eq!(bed.remote.count("jwks"), 6, "five looks, and no more within the minute");
    let mut turned = jwks();
    turned["keys"][0] = json!({"kid": "new", "kty": "RSA", "n": b64(rsa_n(&OTHER_RSA)), "e": "AQAB"});
    bed.remote.put("https://keys.example.com/jwks", 200, turned);
    bed.handles.clock.advance(Duration::from_secs(60)).await;
    bed.sign_in(unknown).await.expect("the new key");
    assert_eq!((bed.remote.count("jwks"), bed.remote.count("openid-configuration")), (7, 1));
    // A key that was withdrawn is one no more.
    bed.remote.put("https://keys.example.com/jwks", 200, json!({"keys": []}));
    bed.handles.clock.advance(Duration::from_secs(3_600)).await;
    let late = |nonce: &str| {
        let mut claims = Bed::claims(nonce);
        let now = domicile_testkit::HandClock::START.0 / 1_000 + 3_660;
        (claims["iat"], claims["exp"]) = (json!(now), json!(now + 300));
        signed(&claims)
    };
    bed.sign_in(late).await.expect_err("a key that was withdrawn");
}

#[tokio::test]
async fn an_e_mail_address_that_the_token_lacks_is_asked_for_and_must_be_of_the_same_person() {
    for (subject, good) in [("u-17", true), ("u-1", false)] {
        let bed = Bed::new();
        let told = json!({"sub": subject, "email": "anna@example.com", "email_verified": true});
        bed.remote.put("https://id.example.com/me", 200, told);
        let found = bed.sign_in(|nonce| {
            let mut claims = Bed::claims(nonce);
            claims.as_object_mut().expect("an object").retain(|name, _| !name.starts_with("email"));
            signed(&claims)
        });
        assert_eq!(found.await.is_ok(), good, "{subject}");
    }
}

#[tokio::test]
async fn a_discovery_document_is_believed_only_where_it_may_be() {
    let bed = Bed::new();
    for (what, field, value) in [
        ("other issuer", "issuer", json!("https://evil.example")),
        ("plain http", "token_endpoint", json!("http://id.example.com/token")),
        ("loopback of an issuer elsewhere", "token_endpoint", json!("http://127.0.0.1/token")),
        ("script", "authorization_endpoint", json!("javascript:alert(1)")),
        ("password in it", "jwks_uri", json!("https://a:b@id.example.com/jwks")),
        ("no keys", "jwks_uri", Value::Null),
        ("a number", "token_endpoint", json!(7)),
    ] {
        let mut document = discovery();
        document[field] = value;
        bed.remote.put("https://id.example.com/.well-known/openid-configuration", 200, document);
        let found = bed.oidc.begin(&bed.provider, ANSWER_URL, CLIENT).await.map(|begun| begun.url);
        assert!(matches!(found, Err(OidcError::Untrusted(_))), "{what}: {found:?}");
    }
    for (status, body, expected) in [
        (200, "<html>".to_owned(), OidcError::Untrusted("a document of the provider is not JSON")),
        (302, String::new(), OidcError::Unreachable),
        (500, discovery().to_string(), OidcError::Unreachable),
    ] {
        bed.remote.put("https://id.example.com/.well-known/openid-configuration", status, body);
        assert_eq!(bed.oidc.begin(&bed.provider, ANSWER_URL, CLIENT).await.err(), Some(expected));
    }
}

#[test]
fn addresses_are_https_and_http_is_for_this_machine_alone() {
    for (url, issuer, allowed) in [
        ("https://a.example/x", "https://b.example", true),
        ("http://a.example/x", "http://a.example", false),
        ("http://127.0.0.1:9000/x", "http://127.0.0.1:9000", true),
        ("http://[::1]:9000/x", "http://localhost:9000", true),
        ("http://127.0.0.1:9000/x", "https://a.example", false),
        ("http://localhost.evil.example/x", "http://localhost", false),
        ("ftp://a.example", "https://a.example", false),
        ("", "", false),
    ] {
        assert_eq!(discovery::is_allowed(url, issuer), allowed, "{url} of {issuer}");
    }
}
