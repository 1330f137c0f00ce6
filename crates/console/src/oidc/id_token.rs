//! ID tokens: signed statements of a provider about who signed in.
//!
//! `BASE64URL(header).BASE64URL(claims).BASE64URL(signature)`, the signature being over the first two with their dot.
//!
//! - The algorithm is chosen by the key that the provider publishes, and the header must say the same: a token can't ask for
//!   `none`, nor have a public key taken for an HMAC's secret.
//! - A header with `crit` asks for something that isn't known here, and is refused.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use data_encoding::BASE64URL_NOPAD;
use domicile_world::Millis;
use serde_json::Value;

/// Keys of one provider; more are not looked at.
const KEYS_MAX: usize = 100;
const TOKEN_BYTES_MAX: usize = 64 * 1_024;
/// How far two clocks may be apart.
const SKEW_S: i64 = 60;
/// How old a token may be: it was made for this very sign-in.
const AGE_S_MAX: i64 = 10 * 60;

/// The keys that a provider publishes, as far as they are of use here.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    kind: Kind,
}

enum Kind {
    /// RS256: modulus and exponent, big-endian.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// ES256: the point, uncompressed.
    P256([u8; 65]),
}

impl KeySet {
    /// Reads a JWK set. A key that is not for signatures, or of a kind that is not taken, is passed over.
    pub fn read(document: &Value) -> Self {
        let keys = document["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self(keys.iter().take(KEYS_MAX).filter_map(Key::read).collect())
    }
}

impl Key {
    fn read(jwk: &Value) -> Option<Self> {
        let bytes = |name: &str| BASE64URL_NOPAD.decode(jwk[name].as_str()?.as_bytes()).ok();
        let is = |name: &str, value: &str| jwk[name].is_null() || jwk[name] == value;
        if !is("use", "sig") {
            return None;
        }
        let kind = match jwk["kty"].as_str()? {
            "RSA" if is("alg", "RS256") => Kind::Rsa { n: bytes("n")?, e: bytes("e")? },
            "EC" if is("alg", "ES256") && jwk["crv"] == "P-256" => {
                let mut point = [4; 65];
                let (x, y) = (bytes("x")?, bytes("y")?);
                point[1..33].copy_from_slice(x.first_chunk::<32>().filter(|_| x.len() == 32)?);
                point[33..].copy_from_slice(y.first_chunk::<32>().filter(|_| y.len() == 32)?);
                Kind::P256(point)
            }
            _ => return None,
        };
        Some(Self { id: jwk["kid"].as_str().map(str::to_owned), kind })
    }

    fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::Rsa { .. } => "RS256",
            Kind::P256(_) => "ES256",
        }
    }

    fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.kind {
            Kind::Rsa { n, e } => RsaPublicKeyComponents { n: n.as_slice(), e: e.as_slice() }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            Kind::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
        }
    }
}

/// What a token must say.
pub(super) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now: Millis,
}

/// What a token says of the person.
#[derive(Debug)]
pub(super) struct Claims {
    pub subject: String,
    pub email: Option<String>,
    pub email_verified: bool,
    pub name: Option<String>,
}

impl Claims {
    /// Takes e-mail address and name from an object of claims.
    pub fn take_profile(&mut self, claims: &Value) {
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        self.email = text("email");
        self.email_verified = claims["email_verified"] == true;
        self.name = text("name").or_else(|| self.name.take());
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Signed with a key that is not among those at hand.
    UnknownKey,
    Refused(&'static str),
}

/// Verifies a token and gives what it says of the person.
pub(super) fn verify(token: &str, keys: &KeySet, expected: &Expected<'_>) -> Result<Claims, Fault> {
    let refused = Err(Fault::Refused("the ID token is malformed"));
    if token.len() > TOKEN_BYTES_MAX {
        return refused;
    }
    let Some((message, signature)) = token.rsplit_once('.') else { return refused };
    let Some((header, claims)) = message.split_once('.') else { return refused };
    let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).ok();
    let json = |part: &str| decode(part).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let (Some(header), Some(claims), Some(signature)) = (json(header), json(claims), decode(signature)) else {
        return refused;
    };
    if !header.is_object() || !claims.is_object() {
        return refused;
    }
    check_signature(&header, message, &signature, keys)?;
    check_claims(&claims, expected)?;
    let mut about = Claims {
        subject: claims["sub"].as_str().unwrap_or_default().to_owned(),
        email: None,
        email_verified: false,
        name: None,
    };
    about.take_profile(&claims);
    Ok(about)
}

fn check_signature(header: &Value, message: &str, signature: &[u8], keys: &KeySet) -> Result<(), Fault> {
    let algorithm = header["alg"].as_str().unwrap_or_default();
    if !matches!(algorithm, "RS256" | "ES256") {
        return Err(Fault::Refused("the ID token is not signed with RS256 or ES256"));
    }
    if header.get("crit").is_some() {
        return Err(Fault::Refused("the ID token's header asks for what isn't known"));
    }
    let id = header["kid"].as_str();
    let fits = |key: &&Key| id.is_none_or(|id| key.id.as_deref() == Some(id)) && key.algorithm() == algorithm;
    let mut fitting = keys.0.iter().filter(fits);
    let key = fitting.next().ok_or(Fault::UnknownKey)?;
    if fitting.next().is_some() {
        return Err(Fault::Refused("the ID token does not say which of the provider's keys signed it"));
    }
    match key.signed(message.as_bytes(), signature) {
        true => Ok(()),
        false => Err(Fault::Refused("the ID token's signature is wrong")),
    }
}

fn check_claims(claims: &Value, expected: &Expected<'_>) -> Result<(), Fault> {
    let refused = |what| Err(Fault::Refused(what));
    if claims["iss"].as_str() != Some(expected.issuer) {
        return refused("the ID token is of another issuer");
    }
    let (meant, others) = match &claims["aud"] {
        Value::String(one) => (one == expected.client_id, false),
        Value::Array(many) => (many.iter().any(|one| one == expected.client_id), many.len() > 1),
        _ => (false, false),
    };
    if !meant {
        return refused("the ID token is meant for another client");
    }
    match &claims["azp"] {
        Value::Null if others => return refused("the ID token is for several clients and does not say who asked"),
        Value::Null => {}
        party if party == expected.client_id => {}
        _ => return refused("the ID token was given to another client"),
    }
    // Some providers write fractions of seconds.
    let seconds = |name: &str| claims[name].as_f64().map(|seconds| seconds as i64);
    let now = expected.now.0.div_euclid(1_000);
    match seconds("exp") {
        Some(exp) if now.saturating_sub(SKEW_S) < exp => {}
        _ => return refused("the ID token has run out"),
    }
    match seconds("iat") {
        Some(iat) if iat <= now + SKEW_S && now.saturating_sub(iat) <= AGE_S_MAX + SKEW_S => {}
        _ => return refused("the ID token was not made just now"),
    }
    if seconds("nbf").is_some_and(|nbf| nbf > now + SKEW_S) {
        return refused("the ID token does not hold yet");
    }
    let nonce = claims["nonce"].as_str().unwrap_or_default();
    verify_slices_are_equal(nonce.as_bytes(), expected.nonce.as_bytes())
        .map_err(|_| Fault::Refused("the ID token was made for another sign-in"))
}
