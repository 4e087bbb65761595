//! Domain names.

use super::*;

#[test]
fn names_fold_whatever_their_case() {
    let name = Name::parse("wWw.ExAmPlE.").unwrap();
    assert_eq!(name.as_wire(), wire("www.example"));
    assert_eq!(name, Name::parse("www.example").unwrap());
    assert_eq!(FoldedName::fold(&wire("WWW.EXAMPLE")), FoldedName::from(&name));
    assert_eq!(name.to_string(), "www.example.");
}

#[test]
fn a_name_contains_itself_and_what_is_below_it_at_label_borders() {
    let apex = Name::parse("example").unwrap();
    for below in ["example", "www.example", "a.b.example"] {
        assert!(apex.contains(&wire(below)), "{below}");
    }
    for other in ["", "xexample", "example.com", "www.xexample"] {
        assert!(!apex.contains(&wire(other)), "{other}");
    }
    assert!(Name::parse(".").unwrap().contains(&wire("www.example")));
    assert!(Name::parse(".").unwrap().contains(&[0]));
}

#[test]
fn names_that_are_none_are_told_apart() {
    let long_label = "x".repeat(64);
    let long_name = "abc.".repeat(64);
    for (text, why) in [
        ("", "cannot be empty"),
        ("a..b", "there is a label; write `a.b`"),
        (".a.", "there is a label; write `a`"),
        ("..", "there is a label; write `.`"),
        ("a b.c", "' ' cannot stand in one; write letters, digits"),
        ("a/b.c", "'/' cannot"),
        (&long_label, "has 64 octets; a label has at most 63"),
        (&long_name, "too long; without a dot at its end it has at most 253 octets"),
        ("a\u{627}.example", "do not go together in one; write it in ASCII"),
    ] {
        let said = Name::parse(text).unwrap_err().to_string();
        assert!(said.contains(why), "{text}: {said}");
    }
    assert_eq!(Name::parse(&"abc.".repeat(63)).unwrap().as_wire().len(), 253);
}

#[test]
fn octets_that_are_not_plain_are_escaped() {
    assert_eq!(FoldedName::fold(b"\x04a.b\\\x02\x00\xff\x00").to_string(), "a\\.b\\\\.\\000\\255.");
    assert_eq!(FoldedName::fold(&[0]).to_string(), ".");
}
