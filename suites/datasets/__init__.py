"""The data sets that suites use, each read from its published files; nothing is ever unpickled."""

from suites.datasets.centred import Centred
from suites.datasets.cifar import CIFAR10, CIFAR100
from suites.datasets.digits import Digits
from suites.datasets.imagefolder import CIFAR10_JPEG, ImageFolders
from suites.datasets.mnist import FASHION_MNIST, MNIST
from suites.datasets.svhn import SVHN
from suites.datasets.tiny_imagenet import TinyImageNet

__all__ = ["CIFAR10", "CIFAR10_JPEG", "CIFAR100", "FASHION_MNIST", "MNIST", "SVHN", "Centred", "Digits", "ImageFolders",
           "TinyImageNet"]
