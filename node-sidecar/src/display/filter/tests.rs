//! Each message in each mode, whole and byte by byte.

use super::*;

const HANDSHAKE: &[u8] = b"RFB 003.008\n\x01\x00";
const KEY: &[u8] = &[4, 1, 0, 0, 0, 0, 0, 65];
const POINTER: &[u8] = &[5, 1, 0, 10, 0, 10];
const QEMU_KEY: &[u8] = &[255, 0, 0, 1, 0, 0, 0, 65, 0, 0, 0, 30];
const CUT: &[u8] = &[6, 0, 0, 0, 0, 0, 0, 3, b'a', b'b', b'c'];
/// The extended clipboard writes its length as a negative number; then come its bits.
const CAPS: &[u8] = &[
    6, 0, 0, 0, 0xff, 0xff, 0xff, 0xf8, 0x1f, 0, 0, 1, 0, 0x10, 0, 0,
];
const PROVIDE: &[u8] = &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xf9, 0x10, 0, 0, 1, 7, 7, 7];
const NOTIFY: &[u8] = &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 8, 0, 0, 1];
const ASK: &[u8] = &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 2, 0, 0, 1];
const PEEK: &[u8] = &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 4, 0, 0, 0];
/// Asks and provides at once, which no display takes.
const MIXED: &[u8] = &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 0x12, 0, 0, 1];
const RESIZE: &[u8] = &[
    251, 0, 4, 0, 3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 4, 0, 3, 0, 0, 0, 0, 0,
];
const REQUEST: &[u8] = &[3, 1, 0, 0, 0, 0, 4, 0, 3, 0];
const FENCE: &[u8] = &[248, 0, 0, 0, 0x80, 0, 0, 0, 2, 9, 9];
const FORMAT: &[u8] = &[
    0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
];
const ENCODINGS: &[u8] = &[
    2, 0, 0, 3, 0, 0, 0, 7, 0xff, 0xff, 0xfe, 0xc4, 0xc0, 0xa1, 0xe5, 0xce,
];
/// The same after it was made sure that the extended clipboard is among them.
const KEPT: &[u8] = &[
    2, 0, 0, 4, 0xc0, 0xa1, 0xe5, 0xce, 0, 0, 0, 7, 0xff, 0xff, 0xfe, 0xc4, 0xc0, 0xa1, 0xe5, 0xce,
];
/// What goes ahead of everything of a viewer that gets no text.
const AHEAD: &[u8] = &[
    2, 0, 0, 2, 0, 0, 0, 0, 0xc0, 0xa1, 0xe5, 0xce, 6, 0, 0, 0, 0xff, 0xff, 0xff, 0xf8, 9, 0, 0, 1,
    0, 0, 0, 0,
];
const CONTINUOUS: &[u8] = &[150, 1, 0, 0, 0, 0, 4, 0, 3, 0];

fn run(rules: Rules, input: &[&[u8]], piece: usize) -> Result<(Vec<u8>, bool), Broken> {
    let mut filter = Filter::new(rules);
    let mut out = Vec::new();
    let mut any = false;
    for part in [HANDSHAKE]
        .iter()
        .chain(input)
        .flat_map(|m| m.chunks(piece))
    {
        any |= filter.push(part, &mut out)?.input;
    }
    let handshake = HANDSHAKE.len();
    assert_eq!(&out[..handshake - 1], &HANDSHAKE[..handshake - 1]);
    assert_eq!(out[handshake - 1], 1, "always shared");
    Ok((out.split_off(handshake), any))
}

fn rules(mode: Mode, clipboard: &str) -> Rules {
    Rules::new(mode, clipboard)
}

const ALL: [&[u8]; 12] = [
    FORMAT, ENCODINGS, REQUEST, KEY, POINTER, CUT, CAPS, PROVIDE, CONTINUOUS, FENCE, RESIZE,
    QEMU_KEY,
];

#[test]
fn control_lets_everything_through_unchanged() {
    for piece in [1, 2, 3, 5, 1000] {
        let (out, input) = run(rules(Mode::Control, "both"), &ALL, piece).unwrap();
        assert_eq!(out, ALL.concat(), "pieces of {piece}");
        assert!(input);
    }
}

#[test]
fn view_only_leaves_out_keys_pointer_clipboard_and_resizing() {
    for piece in [1, 4, 1000] {
        let (out, input) = run(rules(Mode::View, "both"), &ALL, piece).unwrap();
        assert_eq!(
            out,
            [AHEAD, FORMAT, KEPT, REQUEST, CONTINUOUS, FENCE].concat(),
            "pieces of {piece}"
        );
        assert!(!input, "what is left out is no sign of a person");
    }
}

#[test]
fn the_clipboard_rule_of_the_profile_counts_in_both_directions() {
    let all = [CUT, CAPS, PROVIDE, NOTIFY, ASK, PEEK, MIXED, REQUEST];
    let asking = {
        let mut ahead = AHEAD.to_vec();
        ahead[20] = 0x0b;
        ahead
    };
    for (rule, expected) in [
        (
            "",
            [CUT, CAPS, PROVIDE, NOTIFY, ASK, PEEK, REQUEST].concat(),
        ),
        (
            "both",
            [CUT, CAPS, PROVIDE, NOTIFY, ASK, PEEK, REQUEST].concat(),
        ),
        (
            "in",
            [asking.as_slice(), CUT, PROVIDE, NOTIFY, PEEK, REQUEST].concat(),
        ),
        ("out", [CAPS, ASK, PEEK, REQUEST].concat()),
        ("off", [AHEAD, PEEK, REQUEST].concat()),
        ("what is this", [AHEAD, PEEK, REQUEST].concat()),
    ] {
        for piece in [1, 3, 1000] {
            let (out, _) = run(rules(Mode::Control, rule), &all, piece).unwrap();
            assert_eq!(out, expected, "{rule} in pieces of {piece}");
        }
    }
}

#[test]
fn a_viewer_that_gets_no_text_cannot_drop_the_extension() {
    let without: &[u8] = &[2, 0, 0, 1, 0, 0, 0, 7];
    let none: &[u8] = &[2, 0, 0, 0];
    for bad in [without, none] {
        assert!(run(rules(Mode::Control, "in"), &[bad], 1).is_err());
        assert!(run(rules(Mode::View, ""), &[bad], 1000).is_err());
        assert!(run(rules(Mode::Control, "both"), &[bad], 1).is_ok());
    }
    let mut many = vec![2, 0, 0xff, 0xff];
    many.extend([0; 4].repeat(0xffff));
    assert!(run(rules(Mode::View, ""), &[&many], 1000).is_err());
}

#[test]
fn the_longer_pointer_message_is_known_once_announced() {
    let long: &[u8] = &[5, 0x81, 0, 1, 0, 1, 2];
    let (out, _) = run(rules(Mode::View, ""), &[ENCODINGS, long, REQUEST], 1).unwrap();
    assert_eq!(out, [AHEAD, KEPT, REQUEST].concat());
    let short: &[u8] = &[5, 0x81, 0, 1, 0, 1];
    let (out, _) = run(rules(Mode::View, ""), &[short, REQUEST], 1).unwrap();
    assert_eq!(
        out,
        [AHEAD, REQUEST].concat(),
        "without the extension it is the eighth button"
    );
}

#[test]
fn an_empty_list_of_encodings_is_a_whole_message() {
    let empty: &[u8] = &[2, 0, 0, 0];
    let (out, _) = run(rules(Mode::Control, ""), &[empty, KEY, REQUEST], 1).unwrap();
    assert_eq!(out, [empty, KEY, REQUEST].concat());
}

#[test]
fn what_cannot_be_framed_ends_the_connection() {
    let control = rules(Mode::Control, "");
    for (bad, word) in [
        (&[7u8][..], "unknown kind 7"),
        (&[255, 1], "extension"),
        (&[6, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff], "clipboard"),
        (&[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfd], "without its bits"),
        (&[6, 0, 0, 0, 0x80, 0, 0, 0, 0x10, 0, 0, 1], "clipboard"),
    ] {
        let broken = run(control, &[bad], 1).unwrap_err().to_string();
        assert!(broken.contains(word), "{broken}");
    }
    let mut filter = Filter::new(control);
    assert!(filter.push(b"RFB 003.003\n", &mut Vec::new()).is_err());
    assert!(
        Filter::new(control)
            .push(b"GET / HTTP/1.1", &mut Vec::new())
            .is_err()
    );
    assert!(
        Filter::new(control)
            .push(b"RFB 003.008\n\x02", &mut Vec::new())
            .is_err()
    );
}
