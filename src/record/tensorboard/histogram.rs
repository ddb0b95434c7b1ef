//! A tensor's values, counted in buckets.

use tch::{Device, Kind, Tensor};
use tensorboard_proto::summary::{HistogramProto, Summary_Value};

/// As many as TensorBoard draws.
const BUCKETS: usize = 30;
/// Elements looked at together, which bounds the memory for the copy.
const CHUNK: i64 = 1 << 18;

/// The finite values of `tensor` in 30 buckets of one width, as `tf.summary.histogram` makes them; `None` where there is
/// no finite value. Reads the tensor, on any device, and changes nothing.
pub fn histogram(tag: &str, tensor: &Tensor) -> Option<Summary_Value> {
    let flat = tensor.detach().flatten(0, -1);
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    each(&flat, |value| {
        (least, most) = (least.min(value), most.max(value));
        (count, sum, squares) = (count + 1.0, sum + value, squares + value * value);
    });
    if count == 0.0 {
        return None;
    }
    // Halves first: the range of huge values of both signs is no f64.
    let half_width = (most / 2.0 - least / 2.0) / BUCKETS as f64;
    let (limits, counts) = if half_width > 0.0 {
        let mut counts = vec![0.0; BUCKETS];
        each(&flat, |value| {
            let bucket = ((value / 2.0 - least / 2.0) / half_width) as usize;
            counts[bucket.min(BUCKETS - 1)] += 1.0;
        });
        let inner = (1..BUCKETS).map(|bucket| least + half_width * bucket as f64 + half_width * bucket as f64);
        (inner.chain([most]).collect(), counts)
    } else {
        (vec![most], vec![count])
    };
    let mut histogram = HistogramProto::new();
    histogram.set_min(least);
    histogram.set_max(most);
    histogram.set_num(count);
    histogram.set_sum(sum);
    histogram.set_sum_squares(squares);
    histogram.set_bucket_limit(limits);
    histogram.set_bucket(counts);
    let mut value = Summary_Value::new();
    value.set_tag(tag.into());
    value.set_histo(histogram);
    Some(value)
}

/// Shows every finite value of a flat tensor, in order.
fn each(flat: &Tensor, mut see: impl FnMut(f64)) {
    let length = flat.size()[0];
    let mut values = vec![0f64; length.min(CHUNK) as usize];
    for start in (0..length).step_by(CHUNK as usize) {
        let chunk = flat.narrow(0, start, CHUNK.min(length - start)).to_device(Device::Cpu).to_kind(Kind::Double);
        let size = chunk.numel();
        chunk.copy_data(&mut values, size);
        values[..size].iter().filter(|value| value.is_finite()).for_each(|value| see(*value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tensor: &Tensor) -> HistogramProto {
        histogram("parameters/x", tensor).expect("it has finite values").get_histo().clone()
    }

    #[test]
    fn every_finite_value_falls_into_the_bucket_below_its_limit() {
        let mut values: Vec<f32> = (0..60).map(|number| number as f32).collect();
        values.extend([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        let histogram = of(&Tensor::from_slice(&values).view([9, 7]));
        assert_eq!((histogram.get_min(), histogram.get_max(), histogram.get_num()), (0.0, 59.0, 60.0));
        assert_eq!((histogram.get_sum(), histogram.get_sum_squares()), (1770.0, 70210.0));
        assert_eq!((histogram.get_bucket(), histogram.get_bucket_limit().len()), (&[2.0; 30][..], 30));
        assert_eq!(histogram.get_bucket_limit()[29], 59.0);
        assert!((histogram.get_bucket_limit()[0] - 59.0 / 30.0).abs() < 1e-12);
    }

    #[test]
    fn equal_values_are_one_bucket_and_no_values_none() {
        let histogram = of(&Tensor::from_slice(&[0.5, 0.5, 0.5]));
        assert_eq!((histogram.get_bucket_limit(), histogram.get_bucket()), (&[0.5][..], &[3.0][..]));
        assert!(super::histogram("x", &Tensor::from_slice(&[f32::NAN])).is_none());
        assert!(super::histogram("x", &Tensor::zeros([0], (Kind::Float, Device::Cpu))).is_none());
    }

    #[test]
    fn values_of_any_size_kind_and_shape_are_counted() {
        assert_eq!(of(&Tensor::from_slice(&[f64::MAX, -f64::MAX])).get_bucket().iter().sum::<f64>(), 2.0);
        assert_eq!(of(&Tensor::from(7i64)).get_sum(), 7.0);
        let large = Tensor::ones([3, CHUNK / 2], (Kind::Half, Device::Cpu)).set_requires_grad(true);
        assert_eq!(of(&large).get_num(), 1.5 * CHUNK as f64);
        assert!(large.requires_grad() && !large.grad().defined());
    }
}
