class HyperNat < Formula
  desc "@DESCRIPTION@"
  homepage "@URL@"
  version "@VERSION@"
  license "MIT"

  on_macos do
    on_arm do
      url "@URL@/releases/download/v@VERSION@/hyper-nat-@VERSION@-macos-arm64.tar.gz"
      sha256 "@SHA256:macos-arm64.tar.gz@"
    end
    on_intel do
      url "@URL@/releases/download/v@VERSION@/hyper-nat-@VERSION@-macos-x64.tar.gz"
      sha256 "@SHA256:macos-x64.tar.gz@"
    end
  end

  on_linux do
    on_arm do
      url "@URL@/releases/download/v@VERSION@/hyper-nat-@VERSION@-linux-arm64.tar.gz"
      sha256 "@SHA256:linux-arm64.tar.gz@"
    end
    on_intel do
      url "@URL@/releases/download/v@VERSION@/hyper-nat-@VERSION@-linux-x64.tar.gz"
      sha256 "@SHA256:linux-x64.tar.gz@"
    end
  end

  def install
    bin.install "hyper-nat"
    generate_completions_from_executable(bin/"hyper-nat", "completion")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/hyper-nat --version")
    assert_match "public key", shell_output("#{bin}/hyper-nat keygen")
  end
end
