"""The Penn Treebank recurrent language model tutorial, in TensorFlow 2 and Keras 3."""
