//! Which items are events, and what is read of them.

use domicile_event::{Call, Context, EVENT_BYTES_MAX, Wrong, read};

/// `track m1 u=1 a=-`, or the broken rule.
fn verdict(raw: &str, call: Option<Call>) -> String {
    match read(raw.as_bytes(), call) {
        Ok(facts) => format!(
            "{} m={} u={} a={}",
            facts.call.as_str(),
            facts.message_id.as_deref().unwrap_or("-"),
            facts.user_id.as_deref().unwrap_or("-"),
            facts.anonymous_id.as_deref().unwrap_or("-"),
        ),
        Err(wrong) => format!("{wrong:?}"),
    }
}

#[test]
fn every_rule_of_every_call_holds() {
    let tests = [
        // What it is
        (r#"{"type":"track","userId":"u","event":"e"}"#, "track m=- u=u a=-"),
        (r#"{"type":"identify","userId":"u"}"#, "identify m=- u=u a=-"),
        (r#"{"type":"page","anonymousId":"a"}"#, "page m=- u=- a=a"),
        (r#"{"type":"screen","userId":"u","anonymousId":"a"}"#, "screen m=- u=u a=a"),
        (r#"{"type":"group","userId":"u","groupId":"g"}"#, "group m=- u=u a=-"),
        (r#"{"type":"alias","userId":"u","previousId":"p"}"#, "alias m=- u=u a=-"),
        (r#"{"t\u0079pe":"tr\u0061ck","userId":"u","event":"e"}"#, "track m=- u=u a=-"),
        (r#"{"userId":"u","event":"e"}"#, "TypeUnknown"),
        (r#"{"type":null,"userId":"u"}"#, "TypeUnknown"),
        (r#"{"type":"delete","userId":"u"}"#, "TypeUnknown"),
        (r#"{"type":"Track","userId":"u"}"#, "TypeUnknown"),
        (r#"{"type":1,"userId":"u"}"#, "TypeUnknown"),
        ("[]", "NotObject"),
        ("null", "NotObject"),
        ("\"text\"", "NotObject"),
        ("12", "NotObject"),
        ("", "NotObject"),
        ("{", "NotObject"),
        (r#"{"type":"page","userId":"u"} x"#, "NotObject"),
        // Whose it is
        (r#"{"type":"page"}"#, "NoUserAnonId"),
        (r#"{"type":"page","userId":null,"anonymousId":null}"#, "NoUserAnonId"),
        (r#"{"type":"page","userId":"","anonymousId":""}"#, "NoUserAnonId"),
        (r#"{"type":"page","userId":"","anonymousId":"a"}"#, "page m=- u=- a=a"),
        (r#"{"type":"page","userId":"u","anonymousId":""}"#, "page m=- u=u a=-"),
        (r#"{"type":"page","userId":123}"#, "page m=- u=123 a=-"),
        (r#"{"type":"page","userId":0,"anonymousId":-1.50e3}"#, "page m=- u=0 a=-1.50e3"),
        (r#"{"type":"page","userId":123456789012345678901234567890}"#, "page m=- u=123456789012345678901234567890 a=-"),
        (r#"{"type":"page","userId":"\ud800\u00e4"}"#, "page m=- u=\u{fffd}ä a=-"),
        (r#"{"type":"page","userId":true}"#, "IdNotString"),
        (r#"{"type":"page","userId":{},"anonymousId":"a"}"#, "IdNotString"),
        (r#"{"type":"page","userId":"u","anonymousId":["a"]}"#, "IdNotString"),
        (r#"{"type":"page","userId":"a","userId":"b"}"#, "page m=- u=b a=-"),
        (r#"{"type":"page","userId":"a","userId":null}"#, "NoUserAnonId"),
        (r#"{"type":"page","userId":true,"user\u0049d":"b"}"#, "page m=- u=b a=-"),
        // messageId
        (r#"{"type":"page","userId":"u","messageId":"m"}"#, "page m=m u=u a=-"),
        (r#"{"type":"page","userId":"u","message\u0049d":"m"}"#, "page m=m u=u a=-"),
        (r#"{"type":"page","userId":"u","messageId":7}"#, "page m=7 u=u a=-"),
        (r#"{"type":"page","userId":"u","messageId":""}"#, "page m=- u=u a=-"),
        (r#"{"type":"page","userId":"u","messageId":null}"#, "page m=- u=u a=-"),
        (r#"{"type":"page","userId":"u","messageId":{"a":1}}"#, "page m=- u=u a=-"),
        (r#"{"type":"page","userId":"u","messageId":"a","messageId":"b"}"#, "page m=b u=u a=-"),
        // track
        (r#"{"type":"track","userId":"u"}"#, "EventNotDefined"),
        (r#"{"type":"track","userId":"u","event":null}"#, "EventNotDefined"),
        (r#"{"type":"track","userId":"u","event":""}"#, "EventNotDefined"),
        (r#"{"type":"track","userId":"u","event":5}"#, "EventNotString"),
        (r#"{"type":"track","userId":"u","event":{"a":1}}"#, "EventNotString"),
        (r#"{"type":"track","userId":"u","event":"e","properties":null}"#, "track m=- u=u a=-"),
        (r#"{"type":"track","userId":"u","event":"e","properties":[ ]}"#, "track m=- u=u a=-"),
        (r#"{"type":"track","userId":"u","event":"e","properties":[1]}"#, "PropertiesNotObject"),
        (r#"{"type":"track","userId":"u","event":"e","properties":"p"}"#, "PropertiesNotObject"),
        (r#"{"type":"track","userId":"u","event":"e","traits":"t"}"#, "track m=- u=u a=-"),
        // identify
        (r#"{"type":"identify","userId":"u","traits":null}"#, "identify m=- u=u a=-"),
        (r#"{"type":"identify","userId":"u","traits":[]}"#, "identify m=- u=u a=-"),
        (r#"{"type":"identify","userId":"u","traits":5}"#, "TraitsNotObject"),
        (r#"{"type":"identify","userId":"u","traits":[{}]}"#, "TraitsNotObject"),
        // page, screen: real clients send null
        (r#"{"type":"page","userId":"u","name":null,"category":null}"#, "page m=- u=u a=-"),
        (r#"{"type":"page","userId":"u","name":"n","category":"c"}"#, "page m=- u=u a=-"),
        (r#"{"type":"page","userId":"u","name":""}"#, "NameNotString"),
        (r#"{"type":"screen","userId":"u","name":1}"#, "NameNotString"),
        (r#"{"type":"screen","userId":"u","name":"n","category":""}"#, "CategoryNotString"),
        (r#"{"type":"page","userId":"u","category":{}}"#, "CategoryNotString"),
        (r#"{"type":"page","userId":"u","properties":1}"#, "PropertiesNotObject"),
        (r#"{"type":"track","userId":"u","event":"e","name":1,"category":""}"#, "track m=- u=u a=-"),
        // group, alias
        (r#"{"type":"group","userId":"u"}"#, "IdRequired"),
        (r#"{"type":"group","userId":"u","groupId":null}"#, "IdRequired"),
        (r#"{"type":"group","userId":"u","groupId":""}"#, "IdRequired"),
        (r#"{"type":"group","userId":"u","groupId":12}"#, "group m=- u=u a=-"),
        (r#"{"type":"group","userId":"u","groupId":false}"#, "IdNotString"),
        (r#"{"type":"group","groupId":"g"}"#, "NoUserAnonId"),
        (r#"{"type":"group","userId":"u","groupId":"g","traits":"t"}"#, "TraitsNotObject"),
        (r#"{"type":"track","userId":"u","event":"e","groupId":false}"#, "track m=- u=u a=-"),
        (r#"{"type":"alias","userId":"u"}"#, "alias m=- u=u a=-"),
        (r#"{"type":"alias","anonymousId":"a","previousId":"p"}"#, "IdRequired"),
        (r#"{"type":"alias","previousId":"p"}"#, "NoUserAnonId"),
        (r#"{"type":"alias","userId":"u","previousId":7}"#, "alias m=- u=u a=-"),
        (r#"{"type":"alias","userId":"u","previousId":[]}"#, "IdNotString"),
        // What no rule names
        (
            r#"{"type":"page","userId":"u","context":"c","integrations":3,"timestamp":[],"_metadata":null}"#,
            "page m=- u=u a=-",
        ),
        (r#"{"type":"page","userId":"u","__proto__":{},"constructor":1}"#, "page m=- u=u a=-"),
    ];
    for (raw, expected) in tests {
        assert_eq!(verdict(raw, None), expected, "{raw}");
    }
}

#[test]
fn the_path_names_the_call_whatever_the_type_says() {
    for raw in [
        r#"{"userId":"u","groupId":"g","event":"e"}"#,
        r#"{"type":"identify","userId":"u","groupId":"g","event":"e"}"#,
        r#"{"type":7,"userId":"u","groupId":"g","event":"e"}"#,
    ] {
        for call in Call::ALL {
            assert_eq!(verdict(raw, Some(call)), format!("{} m=- u=u a=-", call.as_str()), "{raw}");
        }
    }
    assert_eq!(verdict(r#"{"type":"page","userId":"u"}"#, Some(Call::Track)), "EventNotDefined");
}

#[test]
fn an_event_is_measured_as_received() {
    let event = |bytes: usize| {
        let frame = r#"{"type":"page","userId":"u","x":""}"#;
        frame.replace(r#""x":"""#, &format!(r#""x":"{}""#, "x".repeat(bytes - frame.len())))
    };
    assert!(read(event(EVENT_BYTES_MAX).as_bytes(), None).is_ok());
    assert_eq!(read(event(EVENT_BYTES_MAX + 1).as_bytes(), None).err(), Some(Wrong::EventTooLarge));
    assert_eq!(read(&vec![b'['; EVENT_BYTES_MAX + 1], None).err(), Some(Wrong::EventTooLarge));
    assert_eq!(read(b"{\"type\":\"page\",\"userId\":\"\xff\"}", None).err(), Some(Wrong::NotObject));
}

#[test]
fn order_is_kept_by_user_id_else_by_anonymous_id() {
    let tests = [
        (r#"{"type":"page","userId":"u","anonymousId":"a"}"#, "u"),
        (r#"{"type":"page","userId":"","anonymousId":"a"}"#, "a"),
        (r#"{"type":"page","userId":null,"anonymousId":5}"#, "5"),
        (r#"{"type":"alias","userId":"new","previousId":"old"}"#, "new"),
    ];
    for (raw, expected) in tests {
        assert_eq!(read(raw.as_bytes(), None).ok().as_ref().map(|facts| facts.user_key()), Some(expected), "{raw}");
    }
}

/// `ip direct library channel`
fn context(context: &Context<'_>) -> String {
    let Context { ip, direct, library_name, channel, .. } = context;
    format!("{ip} {direct} {} {}", library_name.as_deref().unwrap_or("-"), channel.as_deref().unwrap_or("-"))
}

#[test]
fn a_context_says_what_decides_about_its_event() {
    let tests = [
        ("{}", "false false - -"),
        ("null", "false false - -"),
        ("[]", "false false - -"),
        ("\"text\"", "false false - -"),
        ("", "false false - -"),
        (r#"{"ip":"192.0.2.1"}"#, "true false - -"),
        (r#"{"ip":"0.0.0.0"}"#, "true false - -"),
        (r#"{"ip":""}"#, "true false - -"),
        (r#"{"ip":null}"#, "false false - -"),
        (r#"{"i\u0070":"::1"}"#, "true false - -"),
        (r#"{"ip":"x","ip":null}"#, "false false - -"),
        (r#"{"direct":true}"#, "false true - -"),
        (r#"{"direct":"true"}"#, "false false - -"),
        (r#"{"direct":false,"library":{"version":"1","name":"analytics.js"}}"#, "false false analytics.js -"),
        (r#"{"library":"analytics.js","channel":"browser"}"#, "false false - browser"),
        (r#"{"library":{"name":7},"page":{"ip":"x","direct":true,"channel":"c"}}"#, "false false - -"),
    ];
    for (raw, expected) in tests {
        assert_eq!(context(&Context::read(raw.as_bytes())), expected, "{raw}");
    }
}

#[test]
fn an_own_context_lies_over_the_shared_one() {
    let tests = [
        ("{}", r#"{"ip":"x","direct":true,"library":{"name":"l"},"channel":"c"}"#, "true true l c"),
        (
            r#"{"ip":null,"direct":null,"library":null,"channel":null}"#,
            r#"{"ip":"x","direct":true,"library":{"name":"l"},"channel":"c"}"#,
            "true true l c",
        ),
        (
            r#"{"direct":false,"library":{"version":"1"},"channel":"own"}"#,
            r#"{"direct":true,"library":{"name":"l"},"channel":"c"}"#,
            "false false - own",
        ),
        (r#"{"ip":"own","direct":true,"library":{"name":"own"}}"#, "{}", "true true own -"),
    ];
    for (own, shared, expected) in tests {
        let merged = Context::read(own.as_bytes()).over(&Context::read(shared.as_bytes()));
        assert_eq!(context(&merged), expected, "{own} over {shared}");
    }
}

#[test]
fn the_channel_is_read_from_the_top_level_or_the_context() {
    let tests = [
        (r#"{"type":"page","userId":"u","channel":"server","context":{"channel":"browser"}}"#, Some("server")),
        (r#"{"type":"page","userId":"u","channel":null,"context":{"channel":"browser"}}"#, Some("browser")),
        (r#"{"type":"page","userId":"u","channel":5}"#, None),
    ];
    for (raw, expected) in tests {
        assert_eq!(read(raw.as_bytes(), None).ok().unwrap().channel.as_deref(), expected, "{raw}");
    }
}
