//! The parts of the model as the graph that TensorBoard draws.

use super::summaries::shape;
use crate::record::GraphNode;
use protobuf::RepeatedField;
use tensorboard_proto::attr_value::{AttrValue, AttrValue_ListValue};
use tensorboard_proto::graph::GraphDef;
use tensorboard_proto::node_def::NodeDef;
use tensorboard_proto::versions::VersionDef;

/// Paths become boxes that open; an edge carries the shape of what its node puts out.
pub fn graph(nodes: &[GraphNode]) -> GraphDef {
    let mut graph = GraphDef::new();
    graph.set_node(nodes.iter().map(node).collect());
    let mut versions = VersionDef::new();
    // The first producer of TensorFlow 1: readers take the nodes as they are.
    versions.set_producer(22);
    graph.set_versions(versions);
    graph
}

fn node(part: &GraphNode) -> NodeDef {
    let mut shapes = AttrValue_ListValue::new();
    shapes.set_shape(RepeatedField::from_vec(vec![shape(&part.shape)]));
    let mut attribute = AttrValue::new();
    attribute.set_list(shapes);
    let mut node = NodeDef::new();
    node.set_name(part.name.clone());
    node.set_op(part.operation.clone());
    node.set_input(RepeatedField::from_vec(part.inputs.clone()));
    node.mut_attr().insert("_output_shapes".into(), attribute);
    node
}
