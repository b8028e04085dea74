"""A spatial transformer (Jaderberg et al. 2015); what it looks at (Grad-CAM), and pictures that fool it (FGSM)."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.where = nn.Sequential(nn.Conv2d(1, 4, 5), nn.MaxPool2d(2, stride=2), nn.ReLU(True))
        self.how = nn.Sequential(nn.Linear(4 * 7 * 7, 16), nn.ReLU(True), nn.Linear(16, 6))
        self.how[2].weight.data.zero_()
        self.how[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 8, kernel_size=3)
        self.drop = nn.Dropout2d(0.1)
        self.fc1 = nn.Linear(8 * 9, 20)
        self.fc2 = nn.Linear(20, 5)

    def straighten(self, x):
        theta = self.how(self.where(x).view(-1, 4 * 7 * 7)).view(-1, 2, 3)
        grid = F.affine_grid(theta, x.size(), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)

    def forward(self, x):
        x = self.straighten(x)
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(self.drop(self.conv2(x)))
        x = F.adaptive_max_pool2d(x, 3).view(-1, 8 * 9)
        x = F.dropout(F.relu(self.fc1(x)), p=0.1, training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


class GradCam:
    """Weights the maps of a layer by the mean of their gradients."""

    def __init__(self, model, layer):
        self.model = model.eval()
        self.maps = self.slopes = None
        self.handles = [
            layer.register_forward_hook(self.forward_hook),
            layer.register_full_backward_hook(self.backward_hook),
        ]

    def forward_hook(self, module, inputs, output):
        self.maps = output

    def backward_hook(self, module, grad_input, grad_output):
        self.slopes = grad_output[0]

    def __call__(self, x):
        output = self.model(x)
        chosen = np.zeros((1, output.size()[-1]), dtype=np.float32)
        chosen[0][np.argmax(output.cpu().data.numpy())] = 1
        self.model.zero_grad()
        torch.sum(torch.from_numpy(chosen).requires_grad_(True) * output).backward()
        cam = F.relu((self.slopes.mean(dim=[2, 3], keepdim=True) * self.maps).sum(1)).squeeze(0)
        cam -= torch.min(cam)
        cam /= torch.max(cam) + 1e-7
        for handle in self.handles:
            handle.remove()
        return cam.detach().cpu().numpy()


def fgsm_attack(images, epsilon, grad):
    return torch.clamp(images + epsilon * grad.sign(), 0, 1)


def main(compile):
    torch.manual_seed(47)
    generator = np.random.RandomState(47)
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    labels = generator.randint(0, 5, 64)
    images = generator.rand(64, 1, 18, 18).astype(np.float32) * 0.3
    for image, label in zip(images, labels):
        image[0, 3 * label : 3 * label + 4, 4:14] += 0.7
    images, labels = torch.from_numpy(images).to(device), torch.tensor(labels).long().to(device)
    model = Net().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    @compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.nll_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    @compile
    def slope(x, y):
        x = x.clone().detach()
        x.requires_grad = True
        output = model(x)
        model.zero_grad()
        F.nll_loss(output, y).backward()
        return output.max(1, keepdim=True)[1], x.grad.data

    losses = [step(images[i : i + 16], labels[i : i + 16]).item() for _ in range(8) for i in range(0, 64, 16)]
    model.eval()
    right = []
    for epsilon in [0, 0.1, 0.3]:
        correct = 0
        for x, y in zip(images.split(16), labels.split(16)):
            _, grad = slope(x, y)
            fooled = model(fgsm_attack(x, epsilon, grad)).max(1, keepdim=True)[1]
            correct += fooled.eq(y.view_as(fooled)).sum().item()
        right.append(correct)
    cam = GradCam(model, model.conv2)(images[:1])
    return {"losses": losses, "results": {"right": right, "cam": cam.astype(float).tolist()}}
