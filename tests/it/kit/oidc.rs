//! A provider of OpenID Connect on loopback: whoever comes is the person the test says, and a code is given for the
//! right secret, redirect and verifier alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};

pub const CLIENT: &str = "visavis";
pub const SECRET: &str = "a secret with a space";

#[derive(Default)]
struct Told {
    /// What the next ID token says beside what it must.
    claims: Value,
    /// What the user-info endpoint says.
    known: Value,
    /// Codes with what they were asked for.
    codes: HashMap<String, HashMap<String, String>>,
    /// How often it said where it is asked.
    described: usize,
}

pub struct Provider {
    pub issuer: String,
    told: Arc<Mutex<Told>>,
    handle: ServerHandle,
}

impl Provider {
    pub fn start() -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let shared = web::Data::from(Arc::clone(&told));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .route("/.well-known/openid-configuration", web::get().to(describe))
                .route("/token", web::post().to(exchange))
                .route("/known", web::get().to(known))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .expect("a port");
        let issuer = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            issuer,
            told,
            handle,
        }
    }

    /// What the next ID token says, and the user-info endpoint.
    pub fn says(&self, claims: Value, known: Value) {
        let mut told = self.told.lock().expect("no panic");
        told.claims = claims;
        told.known = known;
    }

    /// As a person who signs in there: the address he is led back to.
    pub fn sign_in(&self, door: &str) -> String {
        let url = reqwest::Url::parse(door).expect("a URL");
        assert!(door.starts_with(&self.issuer), "{door}");
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT);
        assert_eq!(asked["code_challenge_method"], "S256");
        let mut told = self.told.lock().expect("no panic");
        let code = format!("code-{}", told.codes.len());
        let back = format!(
            "{}?code={code}&state={}&iss={}",
            asked["redirect_uri"], asked["state"], self.issuer
        );
        told.codes.insert(code, asked);
        back
    }

    /// How often it was asked where it is asked.
    pub fn described(&self) -> usize {
        self.told.lock().expect("no panic").described
    }

    pub async fn stop(self) {
        self.handle.stop(false).await;
    }
}

fn issuer_of(request: &HttpRequest) -> String {
    let host = request.headers().get("host").expect("a host");
    let host = host.to_str().expect("text");
    format!("http://{}", host)
}

async fn describe(request: HttpRequest, told: web::Data<Mutex<Told>>) -> HttpResponse {
    told.lock().expect("no panic").described += 1;
    let issuer = issuer_of(&request);
    HttpResponse::Ok().json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/known"),
    }))
}

async fn exchange(
    request: HttpRequest,
    form: web::Form<HashMap<String, String>>,
    told: web::Data<Mutex<Told>>,
) -> HttpResponse {
    let mut told = told.lock().expect("no panic");
    let refused = |word: &str| HttpResponse::BadRequest().json(json!({ "error": word }));
    let encoded = "a+secret+with+a+space";
    let basic = format!(
        "Basic {}",
        BASE64.encode(format!("{CLIENT}:{encoded}").as_bytes())
    );
    let given = request.headers().get("authorization");
    if given.and_then(|given| given.to_str().ok()) != Some(basic.as_str()) {
        return refused("invalid_client");
    }
    // A code works once.
    let Some(asked) = told.codes.remove(&form["code"]) else {
        return refused("invalid_grant");
    };
    let hash = ring::digest::digest(&ring::digest::SHA256, form["code_verifier"].as_bytes());
    let is_right = asked["code_challenge"] == BASE64URL_NOPAD.encode(hash.as_ref())
        && asked["redirect_uri"] == form["redirect_uri"]
        && form["grant_type"] == "authorization_code";
    if !is_right {
        return refused("invalid_grant");
    }
    let mut claims = json!({
        "iss": issuer_of(&request), "aud": CLIENT, "nonce": asked["nonce"],
        "exp": 4_000_000_000_i64, "iat": 1,
    });
    for (name, value) in told.claims.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    let token = format!(
        "e30.{}.unsigned",
        BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
    );
    HttpResponse::Ok()
        .json(json!({ "id_token": token, "access_token": "access", "token_type": "Bearer" }))
}

async fn known(request: HttpRequest, told: web::Data<Mutex<Told>>) -> HttpResponse {
    let given = request.headers().get("authorization").expect("a token");
    assert_eq!(given, "Bearer access");
    HttpResponse::Ok().json(&told.lock().expect("no panic").known)
}
