//! Small pictures of a session: one frame is read as a viewer would, averaged down while it arrives, and kept for seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::problem::Problem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::links::Hub;
use crate::locks::lock;

/// How long a picture counts as fresh.
const FRESH: Duration = Duration::from_secs(5);
/// How long one may take, and how long one may wait for others of the same session.
const LIMIT: Duration = Duration::from_secs(5);
/// Requests for pictures at once; more are refused.
const AT_ONCE: usize = 16;
/// Pictures that are kept.
const KEPT: usize = 32;
/// Largest screen that is read.
const MAX_SIDE: u32 = 16_384;

type Key = (SessionId, u32);
type Made = (Instant, Arc<Vec<u8>>);
type Turn = Arc<tokio::sync::Mutex<()>>;

/// Takes pictures and keeps the last ones.
#[derive(Debug)]
pub struct Pictures {
    kept: Mutex<HashMap<Key, Made>>,
    /// Sessions that gave none lately, and why: whoever waited need not try again.
    failures: Mutex<HashMap<SessionId, (Instant, Problem)>>,
    /// One at a time of each session: a picture costs a full frame of the display.
    turns: Mutex<HashMap<SessionId, Turn>>,
    /// Requests that are worked on or wait; other requests of other nodes must not wait behind them.
    room: tokio::sync::Semaphore,
}

impl Default for Pictures {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            failures: Mutex::default(),
            turns: Mutex::default(),
            room: tokio::sync::Semaphore::new(AT_ONCE),
        }
    }
}

impl Pictures {
    /// A picture of at most this width, as PNG.
    pub async fn get(
        &self,
        hub: &Hub,
        uid: u32,
        id: &SessionId,
        width: u32,
    ) -> Result<Arc<Vec<u8>>, Problem> {
        self.get_from(id, width, async || hub.open_display(uid, id).await)
            .await
    }

    async fn get_from(
        &self,
        id: &SessionId,
        width: u32,
        open: impl AsyncFnOnce() -> Result<UnixStream, Problem>,
    ) -> Result<Arc<Vec<u8>>, Problem> {
        let key = (id.clone(), width);
        if let Some(done) = self.done(&key) {
            return done;
        }
        let Ok(_room) = self.room.try_acquire() else {
            return Err(failed("too many are being taken on this server"));
        };
        let turn = self.turn_of(id);
        let Ok(_turn) = tokio::time::timeout(LIMIT, turn.lock()).await else {
            return Err(failed("others of this session take too long"));
        };
        if let Some(done) = self.done(&key) {
            return done;
        }
        let work = async { take_from(open().await?, width).await };
        let late = || failed("the display did not send a picture in time");
        let made = tokio::time::timeout(LIMIT, work).await;
        let made = made.unwrap_or_else(|_| Err(late()));
        self.keep(key, made)
    }

    /// What was made, or failed, lately.
    fn done(&self, key: &Key) -> Option<Result<Arc<Vec<u8>>, Problem>> {
        if let Some((made, png)) = lock(&self.kept).get(key)
            && made.elapsed() < FRESH
        {
            return Some(Ok(png.clone()));
        }
        let failures = lock(&self.failures);
        let (at, problem) = failures.get(&key.0)?;
        (at.elapsed() < FRESH).then(|| Err(problem.clone()))
    }

    fn keep(&self, key: Key, made: Result<Vec<u8>, Problem>) -> Result<Arc<Vec<u8>>, Problem> {
        let now = Instant::now();
        match made {
            Ok(png) => {
                let png = Arc::new(png);
                let mut kept = lock(&self.kept);
                kept.retain(|_, (made, _)| made.elapsed() < FRESH);
                if kept.len() < KEPT {
                    kept.insert(key, (now, png.clone()));
                }
                Ok(png)
            }
            Err(problem) => {
                let mut failures = lock(&self.failures);
                failures.retain(|_, (at, _)| at.elapsed() < FRESH);
                failures.insert(key.0, (now, problem.clone()));
                Err(problem)
            }
        }
    }

    fn turn_of(&self, id: &SessionId) -> Turn {
        let mut turns = lock(&self.turns);
        // Those that nobody works on or waits for.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(id.clone()).or_default().clone()
    }
}

async fn take_from(display: UnixStream, width: u32) -> Result<Vec<u8>, Problem> {
    take(display, width)
        .await
        .map_err(|e| failed(&e.to_string()))
}

fn failed(why: &str) -> Problem {
    Problem::unavailable(
        "no-picture",
        format!("No picture of the session can be taken: {why}."),
    )
}

/// Reads one frame as a viewer.
async fn take(display: UnixStream, width: u32) -> std::io::Result<Vec<u8>> {
    let mut display = BufReader::with_capacity(64 * 1024, display);
    let (full_width, full_height) = handshake(&mut display).await?;
    let mut canvas = Canvas::new(full_width, full_height, width);
    let mut request = Vec::with_capacity(40);
    // 32 bits a pixel, little-endian, red 16, green 8, blue 0: four bytes B G R x.
    request.extend([
        0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
    ]);
    request.extend([2, 0, 0, 1, 0, 0, 0, 0]);
    request.extend([3, 0, 0, 0, 0, 0]);
    request.extend(side(full_width).to_be_bytes());
    request.extend(side(full_height).to_be_bytes());
    display.write_all(&request).await?;
    while canvas.left > 0 {
        match display.read_u8().await? {
            0 => update(&mut display, &mut canvas).await?,
            1 => {
                display.read_u8().await?;
                display.read_u16().await?;
                let colours = display.read_u16().await?;
                skip(&mut display, u64::from(colours) * 6).await?;
            }
            2 => {}
            3 => {
                skip(&mut display, 3).await?;
                let length = display.read_i32().await?.unsigned_abs();
                skip(&mut display, u64::from(length)).await?;
            }
            kind => {
                return Err(other(format!(
                    "it sent a message of the unknown kind {kind}"
                )));
            }
        }
    }
    canvas.png()
}

async fn handshake(display: &mut BufReader<UnixStream>) -> std::io::Result<(u32, u32)> {
    let mut version = [0; 12];
    display.read_exact(&mut version).await?;
    display.write_all(b"RFB 003.008\n").await?;
    let types = display.read_u8().await?;
    let mut offered = vec![0; usize::from(types)];
    display.read_exact(&mut offered).await?;
    if !offered.contains(&1) {
        return Err(other("it wants a password".to_owned()));
    }
    display.write_all(&[1]).await?;
    if display.read_u32().await? != 0 {
        return Err(other("it refused the connection".to_owned()));
    }
    display.write_all(&[1]).await?;
    let width = u32::from(display.read_u16().await?);
    let height = u32::from(display.read_u16().await?);
    skip(display, 16).await?;
    let name = display.read_u32().await?;
    skip(display, u64::from(name)).await?;
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
        return Err(other(format!("its size is {width}x{height}")));
    }
    Ok((width, height))
}

async fn update(display: &mut BufReader<UnixStream>, canvas: &mut Canvas) -> std::io::Result<()> {
    display.read_u8().await?;
    let rectangles = display.read_u16().await?;
    for _ in 0..rectangles {
        let x = u32::from(display.read_u16().await?);
        let y = u32::from(display.read_u16().await?);
        let width = u32::from(display.read_u16().await?);
        let height = u32::from(display.read_u16().await?);
        let encoding = display.read_i32().await?;
        if encoding != 0 {
            return Err(other(format!(
                "it used the encoding {encoding}, which was not asked for"
            )));
        }
        let mut row = vec![0; usize::try_from(width).unwrap_or(0) * 4];
        for line in 0..height {
            display.read_exact(&mut row).await?;
            canvas.row(x, y + line, &row);
        }
    }
    Ok(())
}

async fn skip(display: &mut BufReader<UnixStream>, bytes: u64) -> std::io::Result<()> {
    let copied = tokio::io::copy(&mut display.take(bytes), &mut tokio::io::sink()).await?;
    if copied == bytes {
        Ok(())
    } else {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

fn other(reason: String) -> std::io::Error {
    std::io::Error::other(reason)
}

fn side(value: u32) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

/// Adds up the pixels that fall into each small one.
struct Canvas {
    full: (u32, u32),
    small: (u32, u32),
    sums: Vec<[u32; 4]>,
    left: u64,
}

impl Canvas {
    fn new(full_width: u32, full_height: u32, wanted: u32) -> Self {
        let width = wanted.min(full_width).max(1);
        let height = (u64::from(full_height) * u64::from(width) / u64::from(full_width)).max(1);
        let height = u32::try_from(height)
            .unwrap_or(full_height)
            .min(full_height);
        Self {
            full: (full_width, full_height),
            small: (width, height),
            sums: vec![[0; 4]; usize::try_from(width * height).unwrap_or(0)],
            left: u64::from(full_width) * u64::from(full_height),
        }
    }

    fn row(&mut self, x: u32, y: u32, row: &[u8]) {
        let (width, height) = self.full;
        for (n, pixel) in (x..).zip(row.chunks_exact(4)) {
            if n >= width || y >= height {
                break;
            }
            let column = u64::from(n) * u64::from(self.small.0) / u64::from(width);
            let line = u64::from(y) * u64::from(self.small.1) / u64::from(height);
            let place = line * u64::from(self.small.0) + column;
            let Some(sum) = self
                .sums
                .get_mut(usize::try_from(place).unwrap_or(usize::MAX))
            else {
                continue;
            };
            for (slot, value) in sum.iter_mut().zip([pixel[2], pixel[1], pixel[0], 1]) {
                *slot = slot.saturating_add(u32::from(value));
            }
        }
        self.left = self.left.saturating_sub(row.len() as u64 / 4);
    }

    fn png(&self) -> std::io::Result<Vec<u8>> {
        let average = |sum: u32, count: u32| u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX);
        let pixels: Vec<u8> = self
            .sums
            .iter()
            .flat_map(|[r, g, b, n]| [average(*r, *n), average(*g, *n), average(*b, *n)])
            .collect();
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, self.small.0, self.small.1);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(std::io::Error::other)?;
        writer
            .write_image_data(&pixels)
            .map_err(std::io::Error::other)?;
        writer.finish().map_err(std::io::Error::other)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: &str) -> SessionId {
        digit.repeat(16).parse().unwrap()
    }

    async fn never() -> Result<UnixStream, Problem> {
        panic!("nobody should try");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_display_delays_only_its_own_pictures_and_not_for_long() {
        let pictures = Pictures::default();
        let (silent, _end) = UnixStream::pair().unwrap();
        let (a, b) = (id("a"), id("b"));
        let begun = Instant::now();
        let (first, second, other) = tokio::join!(
            pictures.get_from(&a, 100, async || Ok(silent)),
            pictures.get_from(&a, 200, never),
            async {
                let refused = async || Err(failed("it is only a test"));
                let other = pictures.get_from(&b, 100, refused).await;
                (other, begun.elapsed())
            },
        );
        assert!(begun.elapsed() <= LIMIT + Duration::from_millis(10));
        assert_eq!(
            (other.0.unwrap_err().status, other.1),
            (503, Duration::ZERO)
        );
        for late in [first, second] {
            let problem = late.unwrap_err();
            assert_eq!((problem.status, problem.kind.as_str()), (503, "no-picture"));
        }
        let again = pictures.get_from(&a, 300, never).await;
        assert!(again.unwrap_err().detail.contains("in time"));
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_requests_are_refused_at_once() {
        let pictures = Pictures::default();
        let _room = pictures
            .room
            .try_acquire_many(u32::try_from(AT_ONCE).unwrap());
        let refused = pictures.get_from(&id("a"), 100, never).await;
        assert!(refused.unwrap_err().detail.contains("too many"));
    }

    #[test]
    fn pixels_are_averaged_and_keep_their_place() {
        let mut canvas = Canvas::new(4, 2, 2);
        assert_eq!(canvas.small, (2, 1));
        let (red, black) = ([0, 0, 200, 0], [0, 0, 0, 0]);
        canvas.row(0, 0, &[red, red, black, black].concat());
        canvas.row(0, 1, &[red, black, black, black].concat());
        assert_eq!(canvas.left, 0);
        assert_eq!(canvas.sums, [[600, 0, 0, 4], [0, 0, 0, 4]]);
        let png = canvas.png().unwrap();
        assert_eq!(&png[1..4], b"PNG");
    }

    #[test]
    fn a_small_screen_is_not_blown_up() {
        assert_eq!(Canvas::new(100, 50, 640).small, (100, 50));
        assert_eq!(Canvas::new(8000, 10, 16).small, (16, 1));
    }
}
