"""A Triton model repository against Triton's own schema and the file in it: python check.py FOLDER"""

import sys
import unittest
from pathlib import Path

import onnxruntime
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

FOLDER = Path(sys.argv[1]) / "sparsecbm"
TYPES = {"tensor(int64)": "TYPE_INT64", "tensor(float)": "TYPE_FP32"}


class RepositoryTest(unittest.TestCase):
    def test_the_configuration_declares_what_the_file_has(self):
        config = model_config_pb2.ModelConfig()
        text_format.Parse((FOLDER / "config.pbtxt").read_text(), config)
        self.assertEqual((config.name, config.backend), (FOLDER.name, "onnxruntime"))
        self.assertGreater(config.max_batch_size, 1)
        self.assertTrue(config.HasField("dynamic_batching"))
        self.assertEqual(len(config.instance_group), 1)
        session = onnxruntime.InferenceSession(FOLDER / "1/model.onnx", providers=["CPUExecutionProvider"])
        for declared, own in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
            self.assertEqual({tensor.name for tensor in declared}, {tensor.name for tensor in own})
            shapes = {tensor.name: tensor for tensor in own}
            for tensor in declared:
                file = shapes[tensor.name]
                # Triton adds the batch dimension itself.
                sizes = [size if isinstance(size, int) else -1 for size in file.shape[1:]]
                self.assertEqual(list(tensor.dims), sizes, tensor.name)
                self.assertEqual(model_config_pb2.DataType.Name(tensor.data_type), TYPES[file.type])

    def test_every_class_has_its_name(self):
        config = model_config_pb2.ModelConfig()
        text_format.Parse((FOLDER / "config.pbtxt").read_text(), config)
        named = [output for output in config.output if output.label_filename]
        self.assertEqual(len(named), 3)
        for output in named:
            count = 1
            for size in output.dims:
                count *= size
            self.assertEqual(len((FOLDER / output.label_filename).read_text().splitlines()), count)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
