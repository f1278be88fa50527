//! Bytes that no viewer sends: they end their own connection and nothing else.

use fastx_core::token::{self, Kind};
use fastx_core::wire::ticket::TicketClaims;
use rand::{RngExt as _, SeedableRng as _};

use crate::cluster::Cluster;
use crate::http::Client;
use crate::viewer::Viewer;

const SIZE: (u16, u16) = (640, 480);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_rfb_and_oversized_frames_end_only_their_own_view() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = ada.start(&node, "").await;
    let open = || async {
        let ticket = ada.ticket(&node, &id, "control").await;
        Viewer::open(&node, &id, &ticket).await
    };
    let mut good = open().await;
    good.handshake().await.unwrap();
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    for round in 0..12 {
        let mut viewer = open().await;
        if round % 3 != 0 {
            viewer.handshake().await.unwrap();
        }
        let mut junk = vec![0; 2048];
        random.fill(&mut junk[..]);
        // A kind that there is, with a length that cannot be meant.
        if round % 3 == 1 {
            junk[..8].copy_from_slice(&[6, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]);
        }
        viewer.send(&junk).await;
        if round % 3 == 2 {
            // Junk may happen to be the beginning of a long message, which is waited for.
            let code = viewer.closed_within().await;
            assert!(
                matches!(code, None | Some(1002 | 1011)),
                "round {round}: {code:?}"
            );
        } else {
            assert_eq!(viewer.closed().await, 1002, "round {round}");
        }
    }
    let mut flood = open().await;
    flood.handshake().await.unwrap();
    flood.try_send(&vec![4; 9 * 1024 * 1024]).await;
    let mut words = open().await;
    words.handshake().await.unwrap();
    words.text("hello").await;
    assert_eq!(words.closed().await, 1002);
    good.key().await;
    good.frame(SIZE).await.unwrap();
    assert!(
        node.node
            .sessions()
            .live_uid(&id.parse().unwrap())
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_tries_on_tickets_open_nothing_and_block_nobody() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = ada.start(&node, "").await;
    let session = id.parse().unwrap();
    let good = ada.ticket(&node, &id, "control").await;
    let claims: TicketClaims = token::peek(&good).unwrap();
    let tickets = node.node.displays().tickets();
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let foreign = token::sign(Kind::Ticket, &claims, &stranger);
    let head = good.find('.').unwrap();
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    for n in 0..10_000_u32 {
        // Most are refused before the costly check of the signature, as most of a stranger's tries are.
        let forged = if n % 50 == 0 {
            foreign.clone()
        } else {
            let mut text = good.clone().into_bytes();
            let all = if n % 50 == 1 { text.len() } else { head };
            let place = random.random_range(0..all);
            text[place] = if text[place] == b'A' { b'B' } else { b'A' };
            String::from_utf8(text).unwrap()
        };
        let now = fastx_lifecycle::clock::now();
        let redeemed = tickets.redeem(&forged, &session, now).await;
        assert!(redeemed.is_err(), "try {n}: {forged}");
    }
    // What was refused is not remembered, so a real one is good and its second use is not.
    let fresh = ada.ticket(&node, &id, "control").await;
    let mut viewer = Viewer::open(&node, &id, &fresh).await;
    viewer.handshake().await.unwrap();
    let mut again = Viewer::open(&node, &id, &fresh).await;
    assert_eq!(again.closed().await, 4401);
}
