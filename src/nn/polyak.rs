//! Target networks that follow slowly.

use super::kernel;

/// Polyak averaging: `target <- (1 - tau) target + tau online`, one pass over memory.
///
/// `tau` is in [0, 1]; 1 copies. Source: Lillicrap et al. 2016, algorithm 1, last line.
///
/// ```
/// let mut target = [0.0, 1.0];
/// hyperq::nn::polyak(&mut target, &[1.0, 1.0], 0.25);
/// assert_eq!(target, [0.25, 1.0]);
/// ```
///
/// # Panics
///
/// Where the two differ in length, that is, belong to different networks.
pub fn polyak(target: &mut [f32], online: &[f32], tau: f32) {
    if tau == 1.0 {
        target.copy_from_slice(online);
    } else {
        kernel::average(target, online, tau);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_moves_by_tau() {
        let mut target: Vec<f32> = (0..37).map(|i| i as f32).collect();
        let online: Vec<f32> = (0..37).map(|i| -(i as f32)).collect();
        polyak(&mut target, &online, 0.125);
        for (i, t) in target.iter().enumerate() {
            assert!((t - 0.75 * i as f32).abs() < 1e-5, "{i}: {t}");
        }
        polyak(&mut target, &online, 1.0);
        assert_eq!(target, online);
    }
}
